import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity.usernames import key_of, username


@pytest.mark.parametrize(
    "shadow",
    [
        "ADMIN",
        "AdMiN",
        "\uff21\uff44\uff4d\uff49\uff4e",  # full-width
        "\u0430\u0501\u043c\u0456\u043f",  # Cyrillic alone
        "\u0430dmin",  # one Cyrillic letter
        "adm1n",
        "admln",
        "\U0001d41a\U0001d41d\U0001d426\U0001d422\U0001d427",  # mathematical bold
        "\u24d0\u24d3\u24dc\u24d8\u24dd",  # circled
        "adrnin",
    ],
)
def test_nothing_that_looks_like_admin_is_another_name(shadow: str) -> None:  # auth service 36
    try:
        taken = username(shadow)
    except Invalid as refused:
        assert refused.field  # noqa: PT017
    else:
        assert taken.key == username("admin").key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),  # Cyrillic alone
        ("TOBHKMXPC", "\u0422\u041e\u0412\u041d\u041a\u041c\u0425\u0420\u0421"),  # Cyrillic capitals
        ("tokix", "\u03a4\u039f\u039a\u0399\u03a7"),  # Greek capitals
        ("AIan", "Alan"),
        ("b0b", "bob"),
        ("stra\u00dfe", "STRASSE"),
        ("jos\u00e9", "jose\u0301"),
        ("\ufb01na", "fina"),
    ],
)
def test_names_that_look_alike_have_one_key(one: str, other: str) -> None:  # auth service 36
    assert username(one).key == username(other).key


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "al ice",
        "alice\u00a0",
        "alice\n",
        "al\x00ice",
        "al\u200bice",
        "al\u202eice",
        "alice\ufeff",
        "a" * 65,
        "a" * 1_000_000,
        "\ufdfa" * 20,  # grows eighteen-fold under NFKC
        "\u0430dmin",  # Cyrillic a
        "admi\u03bd",
        "\u0251lice",  # phonetic alpha
        "al\u0338ice",  # a mark that composes with nothing
        "alice\u0661",  # an Arabic digit
        "\u13aa\u13da",  # Cherokee
        "-alice",
        "alice.",
        "@",
        "al/ice",
        "al|ce",
        "<b>",
        "alice\U0001f600",
        "\ud800",
        "al\u00b7ice",
    ],
)
def test_spaces_controls_and_mixed_scripts_are_refused(name: str) -> None:  # auth service 36
    with pytest.raises(Invalid) as refused:
        username(name)
    assert refused.value.field == "username"


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        "Alice.Smith",
        "o-neil_7",
        "ana+test@example.org",
        "Zoë",
        "Łukasz",
        "Åse",
        "7of9",
        "Иван",
        "Γιώργος",
        "田中さくら",
        "अनिल",
        "محمد",
        "김철수",
        "Trần",
    ],
)
def test_names_of_one_script_are_taken_as_they_are(name: str) -> None:
    assert username(name).shown == name


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_name_or_refused_and_the_key_is_the_same_again(text: str) -> None:
    try:
        taken = username(text)
    except Invalid:
        key_of(text)
        return
    assert key_of(taken.shown) == taken.key == key_of(text)
    assert key_of(taken.shown.upper()) == key_of(taken.shown.upper().lower())
