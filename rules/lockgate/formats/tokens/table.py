"""The table of tokens: how each begins, what follows, and how it is checked.

Rules enforced here:

1. A row needs a published structure: a fixed prefix or infix of three characters or more, an
   exact length or a narrow range, an alphabet. What has none of these is not in the table.
2. A row whose service publishes a checksum uses it.

Sources: the services' own documentation of their formats, and GitHub's list of supported
secret scanning patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lockgate.formats.tokens import checksums
from lockgate.scan.report import Proof

_ALNUM, _URL, _HEX = "[0-9A-Za-z]", "[0-9A-Za-z_-]", "[0-9a-f]"
_DIGITS = "0123456789abcdef"
#: Of hex in either case each token takes one of the two.
_ALPHABETS = {_ALNUM: 62, _URL: 64, _HEX: 16, "[A-Za-z]": 52, "[A-Z0-9]": 36, "[0-9A-Fa-f]": 16}


@dataclass(frozen=True, slots=True)
class Token:
    """One kind of token.

    ``anchor`` is the part of the pattern that the rule looks for (YARA regular expressions, parted
    by ``|``; each with three fixed characters or more, for speed),
    ``pattern`` the whole; its first group is what is random, drawn from ``alphabet`` characters.
    ``before`` is how many characters of the pattern stand in front of the anchor.
    """

    slug: str
    name: str
    anchor: str
    pattern: str
    alphabet: int
    check: Callable[[bytes], bool] | None = None
    proof: Proof = Proof.TOKEN_STRUCTURE
    before: int = 0


def _fixed(
    slug: str,
    name: str,
    prefix: str,
    kind: str,
    count: str,
    check: Callable[[bytes], bool] | None = None,
) -> Token:
    """A prefix and one run of characters; ``count`` as in a regular expression, with a CRC-32
    in it when there is a ``check``.
    """
    least = int(count.split(",", maxsplit=1)[0])
    proof = Proof.CHECKSUM if check else Proof.TOKEN_STRUCTURE
    return Token(
        slug, name, f"{prefix}{kind}{{{min(least, 24)}}}", f"{prefix}({kind}{{{count}}})",
        _ALPHABETS[kind], check, proof,
    )  # fmt: skip


def _spelt(
    slug: str,
    name: str,
    anchor: str,
    pattern: str,
    alphabet: int,
    check: Callable[[bytes], bool] | None = None,
    *,
    before: int = 0,
) -> Token:
    """A token of several parts."""
    return Token(slug, name, anchor, pattern, alphabet, check, before=before)


_CRC62 = checksums.crc_base62

_CHECKED = (
    _fixed("github_ghp", "GitHub personal access token", "ghp_", _ALNUM, "36", _CRC62),
    _fixed("github_gho", "GitHub OAuth token", "gho_", _ALNUM, "36", _CRC62),
    _fixed("github_ghu", "GitHub user-to-server token", "ghu_", _ALNUM, "36", _CRC62),
    _fixed("github_ghs", "GitHub server-to-server token", "ghs_", _ALNUM, "36", _CRC62),
    _fixed("github_ghr", "GitHub refresh token", "ghr_", _ALNUM, "76", _CRC62),
    _fixed("npm", "npm access token", "npm_", _ALNUM, "36", _CRC62),
    Token(
        "grafana_sa", "Grafana service account token", "glsa_[0-9A-Za-z]{32}_",
        "glsa_([0-9A-Za-z]{32})_[0-9A-Fa-f]{8}", 62, checksums.grafana, Proof.CHECKSUM,
    ),
    *(
        Token(
            f"gitlab_{kind}_routable", name, rf"gl{kind}-[0-9A-Za-z_-]{{24}}",
            rf"gl{kind}-([0-9A-Za-z_-]{{27,300}})\.(?:[0-9a-z]{{2}}\.)?[0-9a-z]{{2}}[0-9a-z]{{7}}",
            64, checksums.gitlab_routable, Proof.CHECKSUM,
        )
        for kind, name in (
            ("pat", "GitLab personal access token"), ("dt", "GitLab deploy token"),
            ("rt", "GitLab runner token"), ("cbt", "GitLab job token"),
            ("ptt", "GitLab trigger token"),
        )
    ),
    _spelt(
        "pypi", "PyPI API token", "pypi-AgE[0-9A-Za-z_-]{24}", "pypi-(AgE[0-9A-Za-z_-]{80,600})",
        64, checksums.pypi,
    ),
)  # fmt: skip

_CODE = (
    _spelt(
        "github_pat", "GitHub fine-grained token", "github_pat_[0-9A-Za-z]{22}_",
        "github_pat_[0-9A-Za-z]{22}_([0-9A-Za-z]{59})", 62,
    ),
    *(
        _fixed(f"gitlab_{kind}", f"GitLab {name} token", f"gl{kind}-", _URL, "20")
        for kind, name in (
            ("pat", "personal access"), ("dt", "deploy"), ("rt", "runner"), ("ptt", "trigger"),
            ("ft", "feed"), ("imt", "incoming mail"), ("soat", "SCIM"), ("cbt", "job"),
        )
    ),
    _spelt(
        "terraform", "Terraform Cloud token", r"\.atlasv1\.[0-9A-Za-z_-]{24}",
        r"[0-9A-Za-z]{14}\.atlasv1\.([0-9A-Za-z_-]{60,70})", 64, before=14,
    ),
    _fixed("buildkite", "Buildkite API token", "bkua_", _HEX, "40"),
    _spelt(
        "sentry_org", "Sentry organization token", "sntrys_eyJ[0-9A-Za-z]{24}",
        "sntrys_eyJ[0-9A-Za-z+/=_-]{40,400}_([0-9A-Za-z+/]{43})", 64, checksums.json_inside,
    ),
    _fixed("sentry_user", "Sentry user token", "sntryu_", _HEX, "64"),
    _fixed("docker_pat", "Docker Hub personal access token", "dckr_pat_", _URL, "27"),
    _fixed("docker_oat", "Docker Hub organization token", "dckr_oat_", _URL, "32"),
    _fixed("pulumi", "Pulumi access token", "pul-", _HEX, "40"),
    _fixed("rubygems", "RubyGems API key", "rubygems_", _HEX, "48"),
    _spelt(
        "nuget", "NuGet API key", "oy2[a-p][0-9a-z]{15}[aq][0-9a-z]{11}[eu]",
        "oy2([a-p][0-9a-z]{15}[aq][0-9a-z]{11}[eu][bdfhjlnprtvxz][a-p][0-9a-z]{11}[aeimquy4])", 36,
    ),
    _spelt(
        "postman", "Postman API key", "PMAK-[0-9a-f]{24}-",
        "PMAK-([0-9a-f]{24}-[0-9a-f]{34})", 16,
    ),
    _fixed("linear_api", "Linear API key", "lin_api_", _ALNUM, "40"),
    _fixed("linear_oauth", "Linear OAuth token", "lin_oauth_", _HEX, "64"),
    _fixed("figma", "Figma access token", "figd_", _URL, "38,43"),
    _spelt(
        "atlassian", "Atlassian API token", "ATATT3[0-9A-Za-z_-]{24}",
        "ATATT3([0-9A-Za-z_-]{180,200})=[0-9A-F]{8}", 64,
    ),
)  # fmt: skip

_CLOUD = (
    _spelt(
        "entra", "Microsoft Entra client secret", r"7Q~[~._0-9A-Za-z-]{24}|8Q~[~._0-9A-Za-z-]{24}",
        r"[~._0-9A-Za-z-]{3}[78]Q~([~._0-9A-Za-z-]{31,34})", 66, before=3,
    ),
    _fixed("google_api", "Google API key", "AIza", _URL, "35"),
    _fixed("google_oauth", "Google OAuth client secret", "GOCSPX-", _URL, "28"),
    _spelt(
        "google_access", "Google access token", r"ya29\.[0-9A-Za-z_-]{24}",
        r"ya29\.([0-9A-Za-z_-]{60,600})", 64,
    ),
    *(
        _fixed(f"digitalocean_{kind}", f"DigitalOcean {name} token", f"{kind}_v1_", _HEX, "64")
        for kind, name in (("dop", "personal access"), ("doo", "OAuth"), ("dor", "refresh"))
    ),
    _spelt(
        "databricks", "Databricks access token", "dapi[0-9a-f]{32}",
        "dapi([0-9a-f]{32})(?:-[0-9])?", 16,
    ),
    _spelt(
        "vault_service", "Vault service token", r"hvs\.[0-9A-Za-z]{24}",
        r"hvs\.([0-9A-Za-z]{24}|CAES[0-9A-Za-z_-]{80,140})", 62,
    ),
    _spelt(
        "vault_batch", "Vault batch token", r"hvb\.AAAAA[0-9A-Za-z_-]{24}",
        r"hvb\.AAAAA([0-9A-Za-z_-]{130,300})", 64,
    ),
    *(
        _spelt(
            f"doppler_{kind}", f"Doppler {name} token", rf"dp\.{kind}\.",
            rf"dp\.{kind}\.(?:[a-z0-9_-]{{2,35}}\.)?([0-9A-Za-z]{{40,44}})", 62,
        )
        for kind, name in (
            ("pt", "personal"), ("st", "service"), ("ct", "CLI"), ("sa", "service account"),
            ("scim", "SCIM"), ("audit", "audit"),
        )
    ),
    _spelt(
        "onepassword", "1Password service account token", "ops_eyJ[0-9A-Za-z]{24}",
        "ops_(eyJ[0-9A-Za-z+/_-]{250,1200})={0,2}", 64, checksums.json_inside,
    ),
    _spelt(
        "grafana_cloud", "Grafana Cloud access token", "glc_eyJ[0-9A-Za-z]{24}",
        "glc_(eyJ[0-9A-Za-z+/]{40,400})={0,2}", 64, checksums.json_inside,
    ),
    _spelt(
        "dynatrace", "Dynatrace API token", r"dt0c01\.[A-Z2-7]{24}\.",
        r"dt0c01\.[A-Z2-7]{24}\.([A-Z2-7]{64})", 32,
    ),
    _fixed("newrelic", "New Relic user key", "NRAK-", "[A-Z0-9]", "27"),
    _fixed("supabase", "Supabase access token", "sbp_", _HEX, "40"),
    _spelt(
        "planetscale", "PlanetScale token", "pscale_[a-z]{2,5}_[0-9A-Za-z_.-]{24}",
        "pscale_(?:tkn|pw|oauth)_([0-9A-Za-z_.=-]{32,64})", 64,
    ),
    _spelt(
        "tailscale", "Tailscale key", "tskey-[a-z]{3,6}-[0-9A-Za-z]{10}",
        "tskey-(?:auth|api|client)-[0-9A-Za-z]{10,20}-([0-9A-Za-z]{26,40})", 62,
    ),
)  # fmt: skip

_MODELS = (
    _spelt(
        "openai", "OpenAI API key", "T3BlbkFJ[0-9A-Za-z_-]{20}",
        "sk-(?:(?:proj|svcacct|admin)-)?([0-9A-Za-z_-]{20,80}T3BlbkFJ[0-9A-Za-z_-]{20,80})", 64,
        before=100,
    ),
    _spelt(
        "anthropic", "Anthropic API key", "sk-ant-[a-z]{3,5}0[0-9]-[0-9A-Za-z_-]{24}",
        "sk-ant-(?:api|admin|oat|ort)0[0-9]-([0-9A-Za-z_-]{80,120})", 64,
    ),
    _fixed("huggingface", "Hugging Face access token", "hf_", "[A-Za-z]", "34"),
    _fixed("huggingface_org", "Hugging Face organization token", "api_org_", "[A-Za-z]", "34"),
    _fixed("openrouter", "OpenRouter API key", "sk-or-v1-", _HEX, "64"),
    _fixed("groq", "Groq API key", "gsk_", _ALNUM, "52"),
    _fixed("replicate", "Replicate API token", "r8_", _ALNUM, "37"),
    _fixed("perplexity", "Perplexity API key", "pplx-", _ALNUM, "48"),
    _fixed("xai", "xAI API key", "xai-", _ALNUM, "80"),
    _fixed("nvidia", "NVIDIA API key", "nvapi-", _URL, "64"),
    _spelt(
        "langsmith", "LangSmith API key", "lsv2_[a-z]{2}_[0-9a-f]{24}",
        "lsv2_(?:pt|sk)_([0-9a-f]{32}_[0-9a-f]{10})", 16,
    ),
)  # fmt: skip

_MESSAGES = (
    _spelt(
        "slack_bot", "Slack bot token", "xoxb-[0-9]{9}",
        "xoxb-(?:[0-9]{9,14}-){1,2}([0-9A-Za-z]{24})", 62,
    ),
    _spelt(
        "slack_user", "Slack user token", "xoxp-[0-9]{9}",
        "xoxp-(?:[0-9]{9,14}-){2,3}([0-9a-f]{32})", 16,
    ),
    _spelt(
        "slack_workspace", "Slack workspace token", "xox[ars]-[0-9]",
        "xox[ars]-(?:[0-9]{1,14}-){1,4}([0-9A-Za-z]{24,64})", 62,
    ),
    _spelt(
        "slack_client", "Slack client token", "xoxc-[0-9]{9}",
        "xoxc-(?:[0-9]{9,14}-){3}([0-9a-f]{64})", 16,
    ),
    _spelt(
        "slack_rotating", "Slack rotating token", "xoxe[.-]",
        r"xoxe(?:\.xox[bp])?-[0-9]-([0-9A-Za-z]{140,200})", 62,
    ),
    _spelt(
        "slack_app", "Slack app-level token", "xapp-[0-9]-[A-Z0-9]{9}",
        "xapp-[0-9]-[A-Z0-9]{9,14}-[0-9]{9,14}-([0-9a-f]{64})", 16,
    ),
    _spelt(
        "slack_hook", "Slack webhook", r"hooks\.slack\.com\/services\/T[A-Z0-9]{8}",
        "hooks[.]slack[.]com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/([0-9A-Za-z]{24})", 62,
    ),
    _spelt(
        "telegram", "Telegram bot token", ":AA[0-9A-Za-z_-]{33}",
        "[0-9]{8,10}:AA([0-9A-Za-z_-]{33})", 64, before=10,
    ),
    _spelt(
        "sendgrid", "SendGrid API key", r"SG\.[0-9A-Za-z_-]{22}\.",
        r"SG\.[0-9A-Za-z_-]{22}\.([0-9A-Za-z_-]{43})", 64,
    ),
    _spelt(
        "twilio", "Twilio API key", "|".join(f"SK{digit}[0-9a-f]{{24}}" for digit in _DIGITS),
        "SK([0-9a-f]{32})", 16,
    ),
    _spelt(
        "brevo", "Brevo API key", "xkeysib-[0-9a-f]{24}",
        "xkeysib-([0-9a-f]{64})-[0-9A-Za-z]{16}", 16,
    ),
)  # fmt: skip

_SHOPS = (
    _fixed("stripe_secret", "Stripe live secret key", "sk_live_", _ALNUM, "24,247"),
    _fixed("stripe_restricted", "Stripe live restricted key", "rk_live_", _ALNUM, "24,247"),
    *(
        _fixed(f"shopify_{kind}", f"Shopify {name}", f"{kind}_", "[0-9A-Fa-f]", "32")
        for kind, name in (
            ("shpat", "access token"), ("shpca", "custom app token"),
            ("shppa", "private app token"), ("shpss", "shared secret"),
        )
    ),
    _fixed("square_access", "Square access token", "sq0atp-", _URL, "22"),
    _fixed("square_secret", "Square OAuth secret", "sq0csp-", _URL, "43"),
)  # fmt: skip

#: Every kind of token.
TOKENS: tuple[Token, ...] = (*_CHECKED, *_CODE, *_CLOUD, *_MODELS, *_MESSAGES, *_SHOPS)
