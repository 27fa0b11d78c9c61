"""Secrets of many kinds, made up anew at each run: none is anybody's, and none stands in this repository.

A secret is planted as people leave them: in an `.env` file, a command, a log line, a URL. `KINDS` are the 33 of the
bar, `MORE` are others that a session may hold; `near_misses` looks like secrets and holds none.
"""

import base64
import hashlib
import json
import string
import uuid
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
HEX = "0123456789abcdef"
WORD = LOWER + UPPER + DIGITS
URLSAFE = WORD + "-_"
BASE32 = UPPER + "234567"
BASE64 = WORD + "+/"
PRINTED = WORD + "!@#$%^&*(-_=+)"
CLASSES = (LOWER, UPPER, DIGITS)


class Planted(NamedTuple):
    kind: str
    secret: str
    """What must not be found any more."""
    text: str
    """A line or so that holds it."""


Recipe = tuple[Callable[[Random], str], str]
"""How a secret is made, and where it stands: a text with one `{}`."""


def some(alphabet: str, count: int) -> Callable[[Random], str]:
    """Makes random text; a long one has a character of each class that its alphabet has."""

    def make(random: Random) -> str:
        classes = [found for kind in CLASSES if (found := "".join(c for c in alphabet if c in kind))]
        chosen = [random.choice(one) for one in classes if count >= 8] + random.choices(alphabet, k=count)
        chosen = chosen[:count]
        random.shuffle(chosen)
        return "".join(chosen)

    return make


def after(prefix: str, alphabet: str, count: int) -> Callable[[Random], str]:
    body = some(alphabet, count)
    return lambda random: prefix + body(random)


def joined(*parts: Callable[[Random], str] | str) -> Callable[[Random], str]:
    return lambda random: "".join(part if isinstance(part, str) else part(random) for part in parts)


def pem(label: str, size: int) -> Callable[[Random], str]:
    def make(random: Random) -> str:
        body = base64.b64encode(random.randbytes(size)).decode()
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----"

    return make


def _segment(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt(random: Random) -> str:
    claims = {
        "sub": str(random.randrange(10**9)),
        "name": "Ann Onymous",
        "iat": 1_700_000_000 + random.randrange(10**7),
    }
    return f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}.{some(URLSAFE, 43)(random)}"


def basic(random: Random) -> str:
    return base64.b64encode(f"deploy:{some(WORD, 18)(random)}".encode()).decode()


PASSWORD = some(WORD, 16)
KINDS: dict[str, Recipe] = {
    "aws access key id": (after("AKIA", BASE32, 16), "export AWS_ACCESS_KEY_ID={}\n"),
    "aws secret key": (some(BASE64, 40), "aws_secret_access_key = {}\n"),
    "github token": (after("ghp_", WORD, 36), "I pushed with {} and it worked.\n"),
    "github fine-grained token": (
        joined("github_pat_", some(WORD, 22), "_", some(WORD, 59)),
        'GITHUB_TOKEN="{}" gh pr list\n',
    ),
    "github app token": (
        after("ghs_", WORD, 36),
        "git remote set-url origin https://x-access-token:{}@github.com/a/b.git\n",
    ),
    "gitlab token": (after("glpat-", URLSAFE, 20), "curl -H 'PRIVATE-TOKEN: {}' https://gitlab.com/api/v4/user\n"),
    "openai project key": (
        joined("sk-proj-", some(URLSAFE, 74), "T3BlbkFJ", some(URLSAFE, 74)),
        'client = OpenAI(api_key="{}")\n',
    ),
    "openai key": (joined("sk-", some(WORD, 20), "T3BlbkFJ", some(WORD, 20)), "OPENAI_API_KEY={}\n"),
    "anthropic key": (joined("sk-ant-api03-", some(URLSAFE, 93), "AA"), "  ANTHROPIC_API_KEY: {}\n"),
    "hugging face token": (after("hf_", LOWER + UPPER, 34), "huggingface-cli login --token {}\n"),
    "google api key": (after("AIza", URLSAFE, 35), "https://maps.googleapis.com/maps/api/js?key={}&callback=go\n"),
    "slack bot token": (
        joined("xoxb-", some(DIGITS, 12), "-", some(DIGITS, 13), "-", some(WORD, 24)),
        "SLACK_BOT_TOKEN={}\n",
    ),
    "slack webhook": (
        joined("T", some(UPPER + DIGITS, 9), "/B", some(UPPER + DIGITS, 10), "/", some(WORD, 24)),
        'curl -X POST --data \'{{"text": "hi"}}\' https://hooks.slack.com/services/{}\n',
    ),
    "stripe key": (after("sk_live_", WORD, 24), 'stripe.api_key = "{}"\n'),
    "twilio auth token": (some(HEX, 32), "TWILIO_AUTH_TOKEN={}\n"),
    "sendgrid key": (joined("SG.", some(URLSAFE, 22), ".", some(URLSAFE, 43)), "SENDGRID_API_KEY='{}'\n"),
    "npm token": (after("npm_", WORD, 36), "//registry.npmjs.org/:_authToken={}\n"),
    "pypi token": (after("pypi-AgEIcHlwaS5vcmc", URLSAFE, 150), "password = {}\n"),
    "azure storage key": (
        joined(some(BASE64, 86), "=="),
        "DefaultEndpointsProtocol=https;AccountName=store1;AccountKey={};EndpointSuffix=core.windows.net\n",
    ),
    "jwt": (jwt, "Authorization: Bearer {}\n"),
    "rsa private key": (pem("RSA PRIVATE KEY", 1190), "{}\n"),
    "openssh private key": (pem("OPENSSH PRIVATE KEY", 290), "$ cat ~/.ssh/id_ed25519\n{}\n"),
    "postgres url": (PASSWORD, "DATABASE_URL=postgres://app:{}@db.internal:5432/app\n"),
    "mysql url": (PASSWORD, 'engine = create_engine("mysql+pymysql://root:{}@10.0.0.5/shop")\n'),
    "redis url": (PASSWORD, "REDIS_URL=redis://:{}@cache.internal:6379/0\n"),
    "mongodb url": (PASSWORD, "mongodb+srv://admin:{}@cluster0.ab1cd.mongodb.net/test\n"),
    "basic auth": (basic, "> Authorization: Basic {}\n"),
    "bearer token": (some(WORD, 40), "curl -H 'Authorization: Bearer {}' https://api.internal/v1\n"),
    "django key": (some(PRINTED, 50), "SECRET_KEY = 'django-insecure-{}'\n"),
    "password in .env": (some(WORD + "!@%^*", 14), "DB_HOST=localhost\nDB_PASSWORD={}\nDB_PORT=5432\n"),
    "password in code": (some(WORD + "!@%^*", 14), 'connect(host="db", user="app", password="{}")\n'),
    "telegram bot token": (joined(some("123456789", 10), ":AA", some(URLSAFE, 33)), "bot = Bot('{}')\n"),
    "discord webhook": (
        joined(some("123456789", 18), "/", some(URLSAFE, 68)),
        "requests.post('https://discord.com/api/webhooks/{}', json=m)\n",
    ),
}
MORE: dict[str, Recipe] = {
    "aws session key id": (after("ASIA", BASE32, 16), "profile uses {} today\n"),
    "aws secret key in json": (some(BASE64, 40), '{{"SecretAccessKey": "{}", "Version": 1}}\n'),
    "github oauth token": (after("gho_", WORD, 36), "oauth_token: {}\n"),
    "github refresh token": (after("ghr_", WORD, 76), "refresh with {}\n"),
    "stripe restricted key": (after("rk_live_", WORD, 24), "key {} is restricted\n"),
    "stripe webhook secret": (after("whsec_", WORD, 32), "STRIPE_WEBHOOK_SECRET={}\n"),
    "slack user token": (
        joined("xoxp-", some(DIGITS, 12), "-", some(DIGITS, 12), "-", some(DIGITS, 12), "-", some(HEX, 32)),
        "token {}\n",
    ),
    "twilio key": (after("SK", HEX, 32), "TWILIO_API_KEY={}\n"),
    "shopify token": (after("shpat_", HEX, 32), "X-Shopify-Access-Token: {}\n"),
    "mailgun key": (joined("key-", some(HEX, 32)), "MAILGUN_API_KEY={}\n"),
    "digitalocean token": (after("dop_v1_", HEX, 64), "doctl auth init -t {}\n"),
    "groq key": (after("gsk_", WORD, 52), "GROQ_API_KEY={}\n"),
    "xai key": (after("xai-", WORD, 80), "XAI_API_KEY={}\n"),
    "openrouter key": (after("sk-or-v1-", HEX, 64), "using {} for now\n"),
    "deepseek key": (after("sk-", HEX, 32), "DEEPSEEK_API_KEY={}\n"),
    "replicate token": (after("r8_", WORD, 37), "REPLICATE_API_TOKEN={}\n"),
    "perplexity key": (after("pplx-", WORD, 48), "PERPLEXITY_API_KEY={}\n"),
    "databricks token": (after("dapi", HEX, 32), "DATABRICKS_TOKEN={}\n"),
    "vault token": (after("hvs.", URLSAFE, 95), "export VAULT_TOKEN={}\n"),
    "docker token": (after("dckr_pat_", URLSAFE, 27), "docker login -u ann -p {}\n"),
    "grafana token": (joined("glsa_", some(WORD, 32), "_", some(HEX, 8)), "Grafana: {}\n"),
    "linear key": (after("lin_api_", WORD, 40), "LINEAR_API_KEY={}\n"),
    "notion token": (after("ntn_", WORD, 46), "NOTION_TOKEN={}\n"),
    "google oauth secret": (after("GOCSPX-", URLSAFE, 28), '"client_secret": "{}"\n'),
    "google oauth token": (after("ya29.", URLSAFE, 160), "access {}\n"),
    "age key": (after("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58), "{}\n"),
    "ec private key": (pem("EC PRIVATE KEY", 121), "{}\n"),
    "encrypted private key": (pem("ENCRYPTED PRIVATE KEY", 1300), "{}\n"),
    "pgp private key": (pem("PGP PRIVATE KEY BLOCK", 900), "{}\n"),
    "discord bot token": (
        joined("M", some(WORD, 25), ".", some(WORD, 6), ".", some(URLSAFE, 38)),
        "DISCORD_TOKEN={}\n",
    ),
    "entra secret": (joined(some(WORD, 3), "8Q~", some(WORD + "_.-", 34)), "AZURE_CLIENT_SECRET={}\n"),
    "git remote": (PASSWORD, "origin\thttps://ann:{}@git.example.com/a/b.git (fetch)\n"),
    "amqp url": (PASSWORD, "amqp://guest2:{}@mq.internal:5672/\n"),
    "curl password": (PASSWORD, "curl -u admin:{} https://jenkins.internal/job\n"),
    "netrc": (PASSWORD, "machine git.example.com login ann password {}\n"),
    "pgpassword": (PASSWORD, "PGPASSWORD={} psql -h db\n"),
    "yaml password": (PASSWORD, "database:\n  user: app\n  password: {}\n"),
    "json client secret": (some(WORD, 40), '{{"client_id": "web", "client_secret": "{}"}}\n'),
    "api key in url": (some(WORD, 32), "GET https://api.example.com/v1/x?limit=5&api_key={} 200\n"),
    "api key header": (some(WORD, 32), "x-api-key: {}\n"),
    "session cookie secret": (some(HEX, 64), "SESSION_SECRET={}\n"),
    "key in code": (some(WORD, 32), "const apiKey = '{}';\n"),
}


def planted(kinds: dict[str, Recipe], seed: int) -> Iterator[Planted]:
    """One secret of each kind."""
    for kind, (make, place) in kinds.items():
        secret = make(Random(f"{seed} {kind}"))  # noqa: S311 - the same again for the same seed
        yield Planted(kind, secret, place.format(secret))


def near_misses(seed: int) -> Iterator[tuple[str, str]]:
    """What it is, and text in which nothing may be replaced."""
    random = Random(seed)  # noqa: S311 - as above
    sha1 = hashlib.sha1(random.randbytes(9), usedforsecurity=False).hexdigest()
    sha256 = hashlib.sha256(random.randbytes(9)).hexdigest()
    sha512 = base64.b64encode(hashlib.sha512(random.randbytes(9)).digest()).decode()
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + random.randbytes(3000)).decode()
    public = base64.b64encode(random.randbytes(279)).decode()
    yield "git log", f"commit {sha1}\nMerge: {sha1[:7]} {sha256[:7]}\nAuthor: Ann <ann@example.com>\n"
    yield "git index line", f"index {sha1[:10]}..{sha256[:10]} 100644\n"
    yield (
        "uuid",
        f'"uuid": "{uuid.UUID(bytes=random.randbytes(16))}", "sessionId": "{uuid.UUID(bytes=random.randbytes(16))}"\n',
    )
    yield "uv.lock", f'{{ url = "https://files.example.org/x/y-1.0.tar.gz", hash = "sha256:{sha256}", size = 4711 }}\n'
    yield (
        "package-lock.json",
        f'"resolved": "https://registry.example.org/a/-/a-1.0.0.tgz",\n"integrity": "sha512-{sha512}"\n',
    )
    yield "Cargo.lock", f'name = "tokenizers"\nchecksum = "{sha256}"\n'
    yield "go.sum", f"golang.org/x/oauth2 v0.1.0 h1:{base64.b64encode(bytes.fromhex(sha256)).decode()}\n"
    yield "docker digest", f"FROM python:3.11@sha256:{sha256}\n"
    yield "data url", f"![shot](data:image/png;base64,{image})\n"
    yield "public key", f"ssh-rsa {public} ann@laptop\n"
    yield "certificate", f"-----BEGIN CERTIFICATE-----\n{public}\n-----END CERTIFICATE-----\n"
    yield "tool ids", f"toolu_{some(WORD, 24)(random)} msg_{some(WORD, 24)(random)} call_{some(WORD, 24)(random)}\n"
    yield "cache key", f"actions/cache key: Linux-build-{sha256}\n"
    yield "etag", f'ETag: "{sha1}"\nX-Request-Id: {some(HEX, 32)(random)}\n'
    yield (
        "variables",
        "password = os.environ['DB_PASSWORD']\ntoken = self.get_token()\nsecret: str = field(default='')\n",
    )
    yield "templates", "DB_PASSWORD=${DB_PASSWORD}\napi_key: {{ api_key }}\nTOKEN=$GITHUB_TOKEN\nkey=<your-api-key>\n"
    yield (
        "examples",
        "password = 'changeme'\nAPI_KEY=your_api_key_here\nSECRET_KEY=xxxxxxxxxxxxxxxxxxxxxxxx\ntoken=...\n",
    )
    yield (
        "example key",
        "AKIA" + "IOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY are in the manual\n",
    )
    yield "urls", "postgres://user:password@localhost/db and https://user@example.com/x and redis://localhost:6379\n"
    yield "url with placeholder", "mysql://root:${MYSQL_ROOT_PASSWORD}@db/app postgresql://{user}:{password}@{host}/x\n"
    yield (
        "prose",
        "The password must be longer than eight characters; tokens: 1523, secret santa, bearer of bad news.\n",
    )
    yield "usage", '"input_tokens": 15230, "cache_read_input_tokens": 998877, "max_tokens": 4096\n'
    yield "kwargs", "login(user, password=password, token=args.token, api_key=settings.API_KEY)\n"
    yield "numbers", "0x7f3a9c1b2d4e5f60 3.141592653589793238462643383279502884197 1700000000000\n"
    yield "css", ".key{color:#a1b2c3}.token.keyword{color:#0077aa}\n"
    yield "paths", "/home/x/.secrets/key.pem src/auth/token_manager_test.py --token-file /run/secrets/token\n"


def noise(seed: int, size: int) -> bytes:
    """Bytes without any order, the same for the same seed."""
    return Random(seed).randbytes(size)  # noqa: S311 - as above


def made(make: Callable[[Random], str], seed: int) -> str:
    """A secret of a kind."""
    return make(Random(seed))  # noqa: S311 - as above
