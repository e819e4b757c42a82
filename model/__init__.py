"""The learning side: texts, arrays and labels. It knows nothing of Label Studio or HTTP."""
