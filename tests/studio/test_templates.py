from tests.studio.templates import rows_in_page, rows_of


def test_the_documentation_says_what_is_learnt_of_each_template(label_studio_program: str) -> None:
    """After a change: python -m tests.studio.templates"""
    rows = rows_of(label_studio_program)
    assert rows_in_page() == rows
    assert len(rows) == 69 + 2, "Label Studio 1.23.2 has 69 templates"
