from microfacial.pipeline.message_groups import group_messages, list_group


def test_messages_that_differ_in_numbers_and_quoted_words_form_a_group() -> None:
    messages = [("a", "took the midpoint 12 as apex"), ("b", "unit 'A1' is odd"), ("c", "took the midpoint 13 as apex")]
    assert group_messages(messages) == [[messages[0], messages[2]], [messages[1]]]


def test_a_group_shows_its_first_messages_and_counts_the_others() -> None:
    group = [(f"clip{number}", f"lasts {number} s") for number in range(5)]
    assert list_group(group, 3, "--all") == [
        "clip0: lasts 0 s",
        "clip1: lasts 1 s",
        "clip2: lasts 2 s",
        "2 more of 5 like these (--all): lasts … s",
    ]
    assert len(list_group(group, None)) == 5
    assert list_group([("", "text")], 3) == ["text"]
