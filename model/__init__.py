"""The learning side: texts, arrays and labels. It has never heard of Label Studio or HTTP."""
