"""Names with `*`, read as the gateway writes them."""

from fnmatch import fnmatchcase


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern such as `public.customers.*` may mean a name.

    A name without its schema can be in any, so the shorter of the two decides. A quoted part is
    not taken apart here: it may be anything.
    """
    if '"' in name or name == "*":
        return True
    wanted, parts = pattern.lower().split("."), name.lower().split(".")
    return all(fnmatchcase(part, want) for want, part in zip(wanted[::-1], parts[::-1]))
