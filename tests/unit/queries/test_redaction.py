"""What is taken out of text, and what stays."""

import base64

import pytest

from provisioner.queries.redaction import GONE, redact

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"x {KEY} y", "b3BlbnNzaC1rZXk"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIcut off", "MIIcut"),
        ("kubeadm join --token abcdef.0123456789abcdef", "0123456789abcdef"),
        (f"Authorization: Bearer {JWT}", JWT),
        ("authorization: Basic dXNlcjpwdw==", "dXNlcjpwdw"),
        ("proxy: http://me:hunter22@proxy:3128/", "hunter22"),
        ('{"password": "hunter22", "a": 1}', "hunter22"),
        ("WEAVE_PASSWORD=hunter22", "hunter22"),
        ("    client-key-data: LS0tLS1CRUdJTiBSU0E=", "LS0tLS1CRUdJTiBSU0E"),
        ("api_key: 'hunter22'", "hunter22"),
    ],
)
def test_what_looks_like_a_secret_goes(text, secret):
    done = redact(text)
    assert secret not in done
    assert GONE in done


@pytest.mark.parametrize(
    "text",
    [
        "node/worker1 Ready v1.20.2",
        "https://10.77.0.10:6443/healthz",
        "secret/weave-net created",
        "certificate-authority-data: abc",
        "tokens: 3",
        "kube-system coredns-74ff55c5b-abcde 1/1 Running",
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text


def test_a_known_secret_goes_in_each_of_its_forms():
    secret = 'correct "horse"\nbattery staple'
    whole = base64.b64encode(secret.encode()).decode()
    line = base64.b64encode(b"battery staple").decode().rstrip("=")
    done = redact(f'a {whole} b battery staple c {line} d correct \\"horse\\" e', [secret])
    assert done == f"a {GONE} b {GONE} c {GONE} d {GONE} e"


def test_a_short_value_takes_no_words_out():
    assert redact("true and short", ["true", "short", ""]) == "true and short"
