"""The command line of any agent, and what is known of what it writes."""

from pathlib import Path

import pytest

from agent_adapters.command import parse_template
from agent_adapters.command.transcript import LONGEST_RESULT, Transcript
from agent_adapters.processes import Lines, Stream
from agent_core.domain.job import MessageType
from agent_core.ports import AgentMessage


def filled(template: str) -> list[str]:
    return parse_template(template).fill(
        prompt_file=Path("/tmp/a b/{session}"), worktree=Path("/work trees/x"), session="S-1"
    )


def test_a_template_is_split_as_a_shell_does_it_and_nothing_more() -> None:
    assert filled("agent run --name 'two words' \"$HOME\" `id` *.py; rm -rf") == [
        *("agent", "run", "--name", "two words", "$HOME", "`id`", "*.py;", "rm", "-rf"),
    ]


def test_a_placeholder_may_be_anywhere_in_a_word_and_a_value_stays_one_word() -> None:
    assert filled("agent --file={prompt_file} {worktree}:{worktree} id-{session}") == [
        *("agent", "--file=/tmp/a b/{session}", "/work trees/x:/work trees/x", "id-S-1"),
    ]


def test_braces_around_anything_else_are_left_alone() -> None:
    assert filled("""agent '{"model": "x"}' {} '{ session }'""")[1:] == ['{"model": "x"}', "{}", "{ session }"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("", "must name a program"),
        ("   ", "must name a program"),
        ("agent 'open", "cannot be split"),
        ("agent {prompt}", "placeholder {prompt}, which is none of {prompt_file}, {worktree}, {session}"),
        ("{worktree}/agent", "absolute path"),
        ("bin/agent {prompt_file}", "absolute path"),
        ("~/bin/agent {prompt_file}", "absolute path"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_reason(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has|cannot)") as refused:
        parse_template(template)
    assert words in str(refused.value)


def test_a_template_tells_how_the_prompt_is_given() -> None:
    assert parse_template("/opt/agent --file={prompt_file}").names_prompt_file
    assert not parse_template("agent -").names_prompt_file


def heard(*lines: str, stream: Stream = Stream.STDOUT) -> tuple[Transcript, list[AgentMessage]]:
    transcript = Transcript()
    return transcript, transcript.hear(Lines(stream, [line.encode() for line in lines]))


def test_lines_are_messages_and_empty_ones_are_not() -> None:
    transcript, said = heard("One.", "", "Two.")
    assert [message.content for message in said] == ["One.", "Two."]
    assert transcript.result_text == "One.\n\nTwo."


def test_an_event_in_json_is_kept_as_such_and_is_no_result() -> None:
    event = '{"type": "message", "text": "Hello"}'
    transcript, said = heard("Text.", event, "{no json}", "[1]")
    assert [message.raw for message in said] == [None, event.encode(), None, None]
    assert transcript.result_text == "Text.\n{no json}\n[1]"


def test_standard_error_is_told_as_such_and_is_no_result() -> None:
    transcript, [said] = heard('{"error": 1}', stream=Stream.STDERR)
    assert said == AgentMessage(MessageType.STDERR, '{"error": 1}')
    assert transcript.result_text is None
    assert transcript.last_words == '{"error": 1}'


def test_of_much_text_the_end_counts() -> None:
    transcript, _ = heard(*(f"{number:05} {'x' * 200}" for number in range(1000)), "The end.")
    assert transcript.result_text is not None
    assert len(transcript.result_text) <= LONGEST_RESULT + 1
    assert transcript.result_text.endswith("The end.")


def test_text_that_no_store_takes_is_replaced() -> None:
    _, [said] = heard("a\0c")
    assert said.content == "a\ufffdc"
