"""Writes cases.json: patterns and texts, and what RE2 says of them.

    python3 -m venv /tmp/re2 && /tmp/re2/bin/pip install google-re2==1.1.20251105 && /tmp/re2/bin/python make.py

An array of [pattern, text, answer]: whether it is found, null where RE2 does not take the pattern. First those written by hand, then
drawn ones (a number as argument: how many).
"""
import json
import random
import sys

import re2

ASCII = [r"\w", r"\d", r"\s", r"\W", r"\D", r"\S", r"[\w]", r"[^\w]", r"[\W\d]"]
POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split()
LETTERS = ["a", "k", "s", "K", "S", "_", "5", "-", " ", "\t", "\n", "\v", "\x7f", "!", "~", "à", "а", "\u0661", "\u212a", "\u017f", "\u00df", "\u1e9e",
           "\u0131", "\u0130", "\u03c2", "\u03a3", "\U00010400", "\U00010428", "\u01c5", "\u0391", "一", "٣", "€", "\u0301", "\u2028"]
BY_HAND = {
    # anchors: $ is the end of the text alone
    "^a$": ["a", "a\n", "\na", "ba", ""], "a$": ["a\n", "ba"], r"\Aa\z": ["a", "a\n"], r"a\Z": ["a"], "(?m)^a$": ["b\na\nc", "ba\n"], "(?m)\\Aa\\z": ["b\na"],
    "^": ["", "x"], "$": ["", "x"], "^$": ["", "x", "\n"], "(?m)^$": ["a\n\nb", "a\nb"], "$^": ["", "a"], "a^b": ["a^b", "ab"], "^*": ["a"], "(?:^)*a": ["ba"],
    "": ["", "a"], "a|": ["b"], "|": [""], "()": [""], "(|a)b": ["b", "ab"], "a||b": ["c"], "^a|b$": ["ax", "xb", "xa"], "^(a|b)$": ["a", "ab"], "^(?:a|b|)$": ["", "c"],
    # quantifiers
    "^a*$": ["", "aaa", "aab"], "^a+$": ["", "a"], "^a?$": ["", "aa"], "^a*?$": ["aaa"], "^a+?b??$": ["aab"], "^a{2}$": ["a", "aa", "aaa"], "^a{2,}$": ["a", "aaaaa"],
    "^a{1,3}$": ["", "a", "aaa", "aaaa"], "^a{0}b$": ["b", "ab"], "^a{0,2}?b$": ["b", "aab", "aaab"], "^(?:ab){2,3}$": ["ab", "abab", "ababab", "abababab"], "^(a*)*$": ["", "aaa", "b"],
    "^(a*)+b$": ["aaab", "aaa"], "^(?:a?){3}$": ["aa", "aaaa"], "^(a|b*)*c$": ["abbac", "abd"], "^(?:(?:a{2}){2}){2}$": ["a" * 8, "a" * 7], "a{,2}": ["a{,2}", "a"], "a{": ["a{"],
    "a{1": ["a{1"], "a{x}": ["a{x}"], "a{01}": ["a{01}"], "{": ["{"], "a{2}{3}": ["a"], "a{1000}": ["a" * 1000, "a" * 999], "a{1001}": ["a"], "a{2,1}": ["a"], "(a{40}){40}": ["a"], "(?:a{10}){100}": ["a" * 1000], "((a{0}){500}){500}": ["a"],
    "(?:a{0,10}){200}": ["a"], "(?:a{9,}){200}": ["a"], "{2}": ["a"], "*": ["a"], "+a": ["a"], "?": ["a"], "a**": ["a"], "a*+": ["a"], "a+*": ["a"], "a???": ["a"], "(*a)": ["a"], "(|*)": ["a"], "a|*": ["a"], "(?i)*": ["a"],
    "(?:a*)*": ["a"], "(?:a+)?": ["a"], "[a]{2}": ["aa"], r"\d{3}": ["12", "123"], ".{3}": ["ab", "äbc"],
    # characters and escapes
    r"\.": [".", "a"], r"\/": ["/"], r"\_": ["_"], r"\-\!\@\ ": ["-!@ "], r"\n\t\r\f\v\a": ["\n\t\r\f\v\a"], r"\x41": ["A"], r"\x4": ["\x04"], r"\x{41}": ["A"], r"\x{10FFFF}": ["\U0010ffff"], r"\x{110000}": ["a"],
    r"\x{}": ["a"], r"\x{4g}": ["a"], r"\xg1": ["a"], r"\x": ["a"], r"\101": ["A"], r"\0": ["\0"], r"\08": ["\x008"], r"\1": ["a"], r"(a)\1": ["aa"], r"\8": ["8"], r"\18": ["a"], r"\12": ["\n"], r"\777": ["\u01ff"], r"\0101": ["\x081"],
    r"\q": ["q"], r"\e": ["\x1b"], r"\Z": ["a"], r"\G": ["a"], r"\h": ["a"], r"\R": ["a"], r"\K": ["a"], r"\é": ["é"], "\\": ["\\"], r"a\\": ["a\\"], r"\Qa.b*\E+": ["a.b**", "a.b"], r"\Qa\\E": ["a\\"], r"\Q(": ["("], r"\E": ["a"], r"a\Q\E": ["a"],
    r"\Q": [""], r"\Q\E": [""], r"(?i)\QaB\E": ["Ab"], "é": ["é", "e"], "一+": ["一一"], ".": ["\n", "é", ""], "(?s).": ["\n"], "(?s)^.$": ["\U0001f600"], "(?s-s:.)": ["\n"], "^.$": ["\r", "e\u0301"],
    # classes
    "[abc]": ["b", "d"], "[^abc]": ["a", "d", "\n"], "[a-c]": ["b", "-"], "[a-]": ["-", "a", "b"], "[-a]": ["-"], "[a-c-e]": ["-", "d", "e"], "[a\\-c]": ["b", "-"], "[]a]": ["]", "a"], "[^]a]": ["]", "b"], "[]": ["a"], "[^]": ["a"], "[": ["a"], "[a": ["a"],
    "[a-": ["a"], "[z-a]": ["a"], "[^^]": ["^", "a"], "[a^]": ["^"], "[.*+?(){}|$]": [".", "(", "a", "$"], r"[\]]": ["]"], r"[\\]": ["\\"], r"[\n]": ["\n"], r"[\x41-\x43]": ["B"], r"[\x{400}-\x{4FF}]": ["а", "a"], r"[\b]": ["a"], r"[\Qa\E]": ["a"],
    r"[a-\d]": ["a"], r"[\d-z]": ["-", "5", "y", "z"], r"[\d\s]": ["5", " ", "a"], r"[^\d]": ["5", "a"], r"[^\D]": ["5", "a"], r"[\w-]+$": ["a-b_c"], "[[]": ["["], "[[a]": ["["], "[[:alpha]": [":", "["], "[[:foo:]]": ["a"], "[[:alpha:][:digit:]]": ["5", "-"],
    "[[:alpha:]-z]": ["-"], "[:alpha:]": ["a", "z", ":"], "[a-[:digit:]]": ["5", ":"], "[[:^alpha:]]": ["a", "5"], "[^[:^alpha:]]": ["a", "5"], "[[:Alpha:]]": ["a"], "[[.a.]]": ["a.]"], "[[=a=]]": ["a"], "]": ["]"], "}": ["}"], "[é-ü]": ["ö", "o"], "[a-z&&[aeiou]]": ["b&]"],
    r"\pL": LETTERS, r"\PL": LETTERS, r"\p{Lu}": LETTERS, r"\p{^Lu}": LETTERS, r"\P{^Lu}": LETTERS, r"\pN": LETTERS, r"[\pL\pN]": LETTERS, r"[^\pL]": LETTERS, r"\p{Any}": LETTERS, r"\P{Any}": ["a"], r"\p{Nd}": LETTERS, r"\pZ": LETTERS, r"\pS": LETTERS, r"\pM": LETTERS,
    r"\p{Foo}": ["a"], r"\p{L": ["a"], r"\p": ["a"], r"\pX": ["a"], r"\p{}": ["a"], r"(?i)\p{Lu}": LETTERS, r"(?i)\P{Lu}": LETTERS, r"(?i)[^\p{Ll}]": LETTERS, r"(?i)[\P{Lu}]": LETTERS, r"\p^L": ["a"],
    # groups and flags
    "(a)(b)": ["ab"], "(?:a)b": ["ab"], "(?P<n>a)": ["a"], "(?<n>a)": ["a"], "(?P<n_1>a)": ["a"], "(?P<>a)": ["a"], "(?P<n": ["a"], "(?P<n-1>a)": ["a"], "(?P=n)": ["a"], "(?P>n)": ["a"], "(?'n'a)": ["a"], "(?#c)a": ["a"], "(?>a)": ["a"], "(?|a)": ["a"],
    "(?=a)": ["a"], "(?!a)": ["a"], "(?<=a)b": ["ab"], "(?<!a)b": ["b"], "(?i)abc": ["ABC", "abd"], "(?i:a)b": ["Ab", "AB"], "a(?i)b": ["aB", "AB"], "(?i)a(?-i)b": ["Ab", "AB"], "(a(?i)b)c": ["aBc", "aBC"], "(?i)a|b": ["B"], "a|(?i)b": ["A", "B"],
    "(?im)^a$": ["b\nA"], "(?i-s)a": ["A"], "(?-)": ["a"], "(?i-)a": ["a"], "(?--i)a": ["a"], "(?)a": ["a"], "(?": ["a"], "(?i": ["a"], "(?z)a": ["a"], "(?U)a+": ["aa"], "(?Ui)a+?": ["A"], "(": ["a"], ")": ["a"], "(a": ["a"], "a)": ["a"], "(a))": ["a"], "a(?i)*": ["A", ""], "(?:": ["a"],
    "(?i)k": ["K", "k", "\u212a"], "(?i)\u212a": ["k", "K"], "(?i)s": ["\u017f", "S"], "(?i)\u017f": ["s", "S"], "(?i)ß": ["\u1e9e", "ss", "SS"], "(?i)i": ["I", "\u0130", "\u0131"], "(?i)\u0131": ["i", "I"], "(?i)σ": ["ς", "Σ"], "(?i)а": ["А", "a"], "k": ["\u212a"],
    "(?i)[k]": ["\u212a", "K"], "(?i)[^k]": ["\u212a", "K", "j"], "(?i)[a-z]": ["\u212a", "\u017f", "Q", "5"], "(?i)[^x]": ["X", "x"], "(?i)[[:upper:]]": ["a", "\u017f"], "(?i)[[:^lower:]]": ["A", "a", "\u017f", "5"], "(?i)\u01c5": ["\u01c4", "\u01c6"],
    "(?i)µ": ["μ", "Μ"], "(?i)\U00010400": ["\U00010428"], "(?i)[\u0400-\u042f]": ["а"], "(?i)å": ["\u212b", "Å"], "(?i)ω": ["\u2126"], "(?i)θ": ["ϑ", "ϴ", "Θ"],
    # word boundaries are ASCII, too
    r"\bab\b": ["ab", "xab", "ab-", "éab", "ab\n"], r"\Bb": ["ab", "b"], r"\b": ["", "a", "!"], r"\B": ["", "a", "!"], r"^\b$": [""], r"\bа": ["а"], r"a\b\Bb": ["ab"],
    # what people write
    r"^https://github\.com/acme/.*$": ["https://github.com/acme/x", "https://githubXcom/acme/x", "https://github.com/acme/\nx"], r"^[\w.+-]+@example\.com$": ["a.b+c@example.com", "аdmin@example.com", "a@example.com.evil"],
    r"^https://github\.com/([a-z0-9]+-?)+/x/.*$": ["https://github.com/acme-org/x/y", "https://github.com/aaaaaaaaaaaaaaaaaaaa!"], r"^\w+!example\.com$": ["admin!example.com", "аdmin!example.com"],
    r"^https://github\.com/.*/.*/.*/.*main$": ["https://github.com/a/b/c/d@refs/heads/main", "https://github.com/a/b/c"], r"^svc\d!": ["svc1!", "svc\u0661!"], r"^(?i:HTTPS)://(?:www\.)?example\.com(?:/|$)": ["https://example.com", "Https://www.example.com/", "https://example.community"],
}
for group in ASCII + [f"(?i){g}" for g in ASCII] + [f"[[:{n}:]]" for n in POSIX] + [f"[[:^{n}:]]" for n in POSIX] + [f"(?i)[[:{n}:]]" for n in POSIX]:
    BY_HAND.setdefault(group, []).extend(LETTERS)


def drawn(draw, depth=3):
    """A pattern, mostly a sound one."""
    kind = draw.random()
    if depth == 0 or kind < 0.3:
        return draw.choice(["a", "b", "k", "K", "-", "1", ".", "^", "$", r"\b", r"\B", r"\w", r"\d", r"\S", "[ab]", "[^a]", "[a-k]", "[^\\d-]", "[[:alpha:]]", "[[:^digit:]b]", r"\pL", r"\.", r"\n", "é",
                            r"\x61", r"\Qa-\E", "\\A", r"\z", "(?i)", "(?m)", "(?s)", "(?-i)", "", "ſ"])
    if kind < 0.55:
        return drawn(draw, depth - 1) + drawn(draw, depth - 1)
    if kind < 0.7:
        return draw.choice(["(", "(?:", "(?i:", "(?s:", "(?m:", "(?P<n>"]) + drawn(draw, depth - 1) + ")"
    if kind < 0.8:
        return drawn(draw, depth - 1) + "|" + drawn(draw, depth - 1)
    if kind < 0.97:
        return drawn(draw, depth - 1) + draw.choice(["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{2,3}?", "{0}"])
    return drawn(draw, depth - 1) + draw.choice(["(", ")", "[", "]", "*", "{", "\\", "|", "(?", "[[:", "{1", "-"])


def answer(pattern, text):
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options).search(text) is not None
    except re2.error:
        return None


def main():
    draw = random.Random(2026)
    cases = [(p, t) for p, texts in BY_HAND.items() for t in texts]
    while len(cases) < (int(sys.argv[1]) if len(sys.argv) > 1 else 4000):
        pattern = "".join(drawn(draw) for _ in range(draw.randint(1, 3)))
        # Go takes two groups of one name, RE2 does not
        if pattern.count("(?P<n>") < 2:
            cases.append((pattern, "".join(draw.choice("aabbkK-1.\n é\u212aſ") for _ in range(draw.randint(0, 6)))))
    with open("cases.json", "w", encoding="ascii") as file:
        file.write("[\n" + ",\n".join(json.dumps([p, t, answer(p, t)]) for p, t in cases) + "\n]\n")


main()
