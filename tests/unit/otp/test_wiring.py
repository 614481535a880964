"""otp hears and states what the contract says, and every sentence of its pages is translated."""

import ast
import re
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from services.otp.api.pages import FOLDER, LOCALE
from services.otp.consumer import GROUP, REPLIES_GROUP, reply_subscriptions, subscriptions
from services.otp.relay.composing import CHALLENGE_EVENTS
from shared.clock import utc_now
from shared.events import CONTRACT, REPLIES, MessageRequested, ReplyJudged, ReplyReceived
from shared.events.catalogue import GROUPS

LUA = Path(FOLDER).parent / "lua"


def test_otp_subscribes_to_exactly_the_events_that_the_contract_gives_it() -> None:
    wanted = {entry.event for entry in CONTRACT if "otp" in entry.consumers}
    heard = subscriptions(None, utc_now) | reply_subscriptions(None, utc_now)  # type: ignore[arg-type,operator] # nothing is called
    assert set(heard) == wanted


def test_who_answers_is_heard_in_a_group_of_its_own() -> None:
    assert set(reply_subscriptions(None, utc_now)) == {ReplyReceived}  # type: ignore[arg-type] # nothing is called
    assert ReplyReceived not in subscriptions(None, utc_now)  # type: ignore[arg-type] # nothing is called
    assert GROUPS[REPLIES_GROUP] == (REPLIES,)
    assert REPLIES not in GROUPS[GROUP]


def test_otp_can_state_exactly_the_events_that_the_contract_gives_it() -> None:
    wanted = {entry.event for entry in CONTRACT if "otp" in entry.producers}
    assert {*CHALLENGE_EVENTS.values(), MessageRequested, ReplyJudged} == wanted


def _sentences() -> dict[str, set[str]]:
    """msgid -> placeholders, as the templates have them."""
    found: dict[str, set[str]] = {}
    options = {"**.html": {"silent": "false"}}
    method = [("**.html", "jinja2.ext.babel_extract")]
    for _, _, message, _, _ in extract_from_dir(str(FOLDER), method_map=method, options_map=options):
        first = message if isinstance(message, str) else message[0]
        found[str(first)] = set(re.findall(r"%\((\w+)\)s", str(message)))
    return found


def test_every_sentence_is_translated_with_the_same_placeholders_and_none_is_left_over() -> None:
    with (LOCALE / "hi" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale="hi")
    translated = {
        (message.id if isinstance(message.id, str) else message.id[0]): message for message in catalogue if message.id
    }
    sentences = _sentences()
    assert set(translated) == set(sentences)
    for sentence, placeholders in sentences.items():
        message = translated[sentence]
        assert not message.fuzzy
        for text in [message.string] if isinstance(message.string, str) else message.string or [""]:
            assert re.search(r"[\u0900-\u097f]", text), sentence
            assert set(re.findall(r"%\((\w+)\)s", text)) == placeholders, sentence


def test_no_template_has_a_sentence_outside_the_catalogue() -> None:
    for path in FOLDER.glob("*.html"):
        text = re.sub(r"\{%-?\s*trans.*?endtrans\s*-?%\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", text, flags=re.DOTALL)
        words = set(re.findall(r"[A-Za-z\u0900-\u097f]{2,}", text)) - {"Boothline"}
        assert not words, (path.name, words)


def test_every_script_gives_a_time_to_live_to_every_key_that_it_may_create() -> None:
    """Beside each writing command stands `keep`, or it writes a hash that `open` has made."""
    creating = re.compile(r"redis\.call\('(SADD|ZADD|XADD|SET)',\s*([^,]+)")
    for path in LUA.glob("*.lua"):
        text = path.read_text(encoding="utf-8")
        for command, name in creating.findall(text):
            if command == "SET":
                assert re.search(rf"'SET', {re.escape(name)},[^\n]*'PX'", text), (path.name, name)
            elif name.strip() not in {"DUE", "INDEX", "OUTBOX"}:
                assert f"keep({name.strip()}" in text, (path.name, name)


def test_nothing_in_otp_uses_a_weak_source_of_chance() -> None:
    for path in Path(FOLDER).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert "random" not in modules, path.name
