"""The pages by plain forms: what a browser without scripts sees and sends."""

import re

import pytest

from tests.integration.sandbox.conftest import ANITA, RAVI, Client

PAGES = ["/", "/channels", "/calls", "/faults", f"/phones/{ANITA}", "/t.me/boothline_bot?start=abc"]
KEYBOARD = {
    "keyboard": [[{"text": "Share my number", "request_contact": True}], [{"text": "This is not me"}]],
}


def chat(client: Client, phone: str = ANITA) -> list[str]:
    return [m["text"] for m in client.control(f"/phones/{phone}/chat", "GET")["messages"]]


def user_id(client: Client, phone: str = ANITA) -> int:
    return int(client.control(f"/phones/{phone}", "GET")["telegram"]["user_id"])


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["hi", "en"])
def test_every_page_is_marked_in_its_language_and_carries_the_headers(people: Client, path: str, language: str) -> None:
    answer = people.get(path, headers={"Accept-Language": f"{language}-IN,en;q=0.5"})
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert "SANDBOX" in answer.text
    assert answer.text.count("<h1>") == 1
    assert "style=" not in answer.text
    assert " on" not in re.sub(r"<(?!/)(\w+)", "", " ".join(re.findall(r"<[^>]+\son\w+=", answer.text)))
    assert answer.headers["cache-control"] == "private, no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert len(answer.content) < 60_000


def test_the_chosen_language_is_kept(people: Client) -> None:
    assert '<html lang="en">' in people.get("/?lang=en", headers={"Accept-Language": "hi"}).text
    assert '<html lang="en">' in people.get("/calls", headers={"Accept-Language": "hi"}).text


def test_static_files_carry_their_hash_and_stay(client: Client) -> None:
    urls = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text)
    assert len(urls) == 4
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_a_phone_is_added_and_a_wrong_number_is_said_at_its_field(client: Client) -> None:
    wrong = client.post("/phones", data={"name": "Anita", "phone": "98765", "telegram": "on"})
    assert wrong.status_code == 422
    assert wrong.text.index('<a href="#phone">') < wrong.text.index('aria-invalid="true"')
    assert 'value="98765"' in wrong.text
    assert 'value="Anita"' in wrong.text
    assert client.post("/phones", data={"name": " ", "phone": ANITA}).status_code == 422
    made = client.post("/phones", data={"name": "Anita", "phone": "+91 55500 00210", "telegram": "on"})
    assert made.headers["location"] == f"/phones/{ANITA}"
    assert client.post("/phones", data={"name": "Other", "phone": ANITA}).status_code == 409


def test_a_person_starts_chats_shares_the_number_and_taps_by_forms_alone(people: Client) -> None:
    to, back = f"/phones/{ANITA}", {"back": f"/phones/{ANITA}"}
    assert people.post(f"{to}/start", data=back | {"payload": "handle-1"}).headers["location"] == to
    assert chat(people) == ["/start handle-1"]
    chat_id = user_id(people)
    people.bot("sendMessage", chat_id=chat_id, text="Share", reply_markup=KEYBOARD)
    page = people.get(to).text
    assert "<details><summary" in page
    people.post(f"{to}/text", data=back | {"text": "This is not me"})
    people.post(f"{to}/contact", data=back | {"kind": "own"})
    keys = {
        "inline_keyboard": [[{"text": "<Confirm>", "callback_data": "c"}, {"text": "Site", "url": "https://e.org"}]]
    }
    sent = people.bot("sendMessage", chat_id=chat_id, text="<b>Sure?</b> & so on", parse_mode="HTML", reply_markup=keys)
    page = people.get(to).text
    assert "<b>Sure?</b> &amp; so on" in page
    assert "&lt;Confirm&gt;" in page
    people.post(f"{to}/tap", data=back | {"message_id": str(sent["result"]["message_id"]), "data": "c"})
    updates = people.bot("getUpdates")["result"]
    assert [next(k for k in u if k != "update_id") for u in updates] == ["message"] * 3 + ["callback_query"]
    assert updates[2]["message"]["contact"]["user_id"] == chat_id
    people.bot("answerCallbackQuery", callback_query_id=updates[3]["callback_query"]["id"], text="Thank you")
    assert "Thank you" in people.get(to).text


def test_a_contact_typed_in_has_no_user_id(people: Client) -> None:
    people.post(f"/phones/{ANITA}/contact", data={"kind": "forged", "phone": RAVI})
    people.post(f"/phones/{ANITA}/contact", data={"kind": "other", "phone": RAVI})
    forged, other = (u["message"]["contact"] for u in people.bot("getUpdates")["result"])
    assert (forged["phone_number"], forged.get("user_id")) == (RAVI.lstrip("+"), None)
    assert other["user_id"] == user_id(people, RAVI)


def test_an_sms_is_shown_with_its_header_parts_and_links_and_can_be_answered(people: Client) -> None:
    people.sms(ANITA, "नमस्ते " * 12 + "https://confirm.example.org/c/abc <b>")
    page = people.get(f"/phones/{ANITA}?lang=en").text
    assert "BL-BOOTHL-T" in page
    assert "2 parts" in page
    assert '<a href="https://confirm.example.org/c/abc" rel="noopener">' in page
    assert "&lt;b&gt;" in page
    people.post(f"/phones/{ANITA}/sms", data={"text": "482107", "back": "/"})
    assert people.control(f"/phones/{ANITA}/sms", "GET")["messages"][-1]["inbound"] is True


def test_an_answer_without_a_sender_says_why_not(people: Client) -> None:
    answer = people.post(f"/phones/{ANITA}/sms?lang=en", data={"text": "x"})
    assert answer.status_code == 409
    assert "Nobody has sent an SMS to this phone yet" in answer.text


def test_a_deep_link_in_a_message_presses_start_on_that_phone(people: Client) -> None:
    people.sms(ANITA, "Open https://t.me/boothline_bot?start=handle-9")
    link = re.search(r'href="(/t\.me/[^"]+)"', people.get(f"/phones/{ANITA}").text)
    assert link is not None
    answer = people.get(link[1].replace("&amp;", "&"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/phones/{ANITA}")
    assert chat(people) == ["/start handle-9"]


def test_a_deep_link_without_a_phone_offers_the_one_whose_sms_holds_it_first(people: Client) -> None:
    people.sms(RAVI, "https://confirm.example.org/c/handle-9")
    page = people.get("/t.me/boothline_bot?start=handle-9&lang=en").text
    assert page.index("Ravi") < page.index("अनीता")
    assert page.count("its SMS holds this link") == 1
    assert chat(people, RAVI) == [], "asking changes nothing"


def test_an_invite_link_joins_its_channel(people: Client) -> None:
    room = people.post("/channels", data={"title": "Booth 223"}).headers["location"]
    chat_id = int(room.rpartition("/")[2])
    invite = people.bot("createChatInviteLink", chat_id=chat_id, name="booth")["result"]["invite_link"]
    people.get(f"/t.me/{invite.rpartition('/')[2]}", params={"phone": ANITA})
    assert people.bot("getChatMemberCount", chat_id=chat_id)["result"] == 2
    assert people.post(f"{room}/join", data={"phone": "+1"}).status_code == 404
    assert people.post(f"{room}/join", data={"phone": RAVI, "link": invite}).status_code == 303
    assert "Ravi" in people.get(room).text


def test_a_form_never_leads_to_another_site(people: Client) -> None:
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        answer = people.post(f"/phones/{ANITA}/text", data={"text": "x", "back": target})
        assert answer.headers["location"] == f"/phones/{ANITA}"


def test_phone_state_block_and_deletion_are_set_by_forms(people: Client) -> None:
    to = f"/phones/{ANITA}"
    people.post(f"{to}/state", data={"state": "dead", "receipts": "late"})
    assert people.control(to, "GET")["state"] == "dead"
    people.post(f"{to}/start", data={})
    people.post(f"{to}/block", data={})
    assert people.control(to, "GET")["telegram"]["blocked"] is True
    people.post(f"{to}/block", data={})
    people.post(f"{to}/delete-account", data={})
    assert people.control(to, "GET")["telegram"]["deleted"] is True
    assert people.get(to).status_code == 200


def test_a_fault_is_added_and_removed_and_a_wrong_one_is_said_at_its_field(client: Client) -> None:
    assert client.post("/faults", data={"api": "sms", "status": "many"}).status_code == 422
    assert client.post("/faults", data={"api": "sms"}).status_code == 422
    added = client.post("/faults", data={"api": "sms", "target": ANITA, "reset": "true", "stage": "after", "times": ""})
    assert added.status_code == 303
    assert client.control("/faults", "GET")[0]["reset"] is True
    client.post("/faults", data={"api": "telegram", "status": "429", "retry_after": "5", "times": "always"})
    rules = client.control("/faults", "GET")
    assert rules[1]["times"] is None
    page = client.get("/faults?lang=en").text
    assert "connection cut · after carrying it out" in page
    for rule in rules:
        client.post(f"/faults/{rule['id']}/remove")
    assert client.control("/faults", "GET") == []


def test_receipts_are_set_by_a_form(client: Client) -> None:
    assert client.post("/faults/receipts", data={"receipts": "twice", "delay": "x", "late_by": "1"}).status_code == 422
    client.post("/faults/receipts", data={"receipts": "twice", "delay": "0.1", "late_by": "5"})
    assert client.control("/carrier", "GET") == {"receipts": "twice", "delay": 0.1, "late_by": 5.0}


def test_the_call_log_shows_calls_and_can_be_narrowed(people: Client) -> None:
    people.sms(ANITA, "code <482107>")
    people.bot("getMe")
    assert "code &lt;482107&gt;" in people.get("/calls").text
    narrowed = people.get("/calls?line=telegram").text
    assert "getMe" in narrowed
    assert "482107" not in narrowed
    assert people.get("/calls?line=nonsense").status_code == 200


def test_many_phones_come_fifty_to_a_page_and_are_found_by_name_or_number(client: Client) -> None:
    phones = [{"phone": f"+9155500{n:05d}", "name": f"Person {n}", "telegram": False} for n in range(120)]
    client.control("/seed", phones=phones)
    assert client.get("/").text.count('<li><a href="/phones/') == 50
    assert client.get("/?page=2").text.count('<li><a href="/phones/') == 20
    assert client.get("/?q=person+119").text.count('<li><a href="/phones/') == 1
    assert client.get("/?q=55500+00007").text.count('<li><a href="/phones/') == 1


def test_an_unknown_phone_is_a_404_page(client: Client) -> None:
    answer = client.get("/phones/+915559999999?lang=en")
    assert answer.status_code == 404
    assert "The sandbox has no such phone." in answer.text


def test_live_names_what_changed(people: Client) -> None:
    with people.stream("GET", "/live") as live:
        lines = live.iter_lines()
        assert next(lines) == "event: hello"
        people.sms(ANITA, "x")
        said = next(line for line in lines if line.startswith("data: ") and "sms:" in line)
    assert f"sms:{ANITA}" in said


@pytest.mark.parametrize(
    ("method", "path", "form", "status"),
    [
        ("GET", "/t.me/boothline_bot?start=x&phone=%2B915559999999", {}, 404),
        ("GET", "/channels/-1", {}, 404),
        ("GET", "/channels/abc", {}, 422),
        ("GET", "/?page=abc", {}, 422),
        ("POST", f"/phones/{ANITA}/tap", {"message_id": "x"}, 422),
        ("POST", f"/phones/{ANITA}/tap", {"message_id": "99"}, 404),
        ("POST", f"/phones/{ANITA}/state", {"state": "exploded"}, 422),
        ("POST", f"/phones/{ANITA}/contact", {"kind": "stolen"}, 422),
        ("POST", "/phones/+915559999999/start", {}, 404),
    ],
)
def test_whatever_goes_wrong_is_said_on_a_page(
    people: Client, method: str, path: str, form: dict[str, str], status: int
) -> None:
    answer = people.request(method, path, data=form or None)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in answer.text
