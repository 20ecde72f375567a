"""What still exists of a task."""

import asyncio

from crds import names
from crds.client import CONFIG_MAPS, JOBS, PODS, SECRETS, TASKS, Client, Object

KINDS = (TASKS, JOBS, PODS, SECRETS, CONFIG_MAPS)


async def leftovers(client: Client, namespace: str, uid: str) -> list[str]:
    """`kind/name` of everything that belongs to the task of a uid, directly or through its Job."""
    pages = await asyncio.gather(*(client.list(kind, namespace) for kind in KINDS))
    objects = {
        str(item["metadata"]["uid"]): (f"{kind.plural}/{item['metadata']['name']}", item)
        for kind, page in zip(KINDS, pages, strict=True)
        for item in page.items
    }
    return sorted(
        title
        for own, (title, item) in objects.items()
        if own == uid
        or item["metadata"].get("labels", {}).get(names.LABEL_TASK_UID) == uid
        or uid in _ancestors(item, objects)
    )


def _ancestors(item: Object, objects: dict[str, tuple[str, Object]]) -> set[str]:
    owners = {str(owner["uid"]) for owner in item["metadata"].get("ownerReferences", [])}
    for owner in list(owners):
        if owner in objects:
            owners |= _ancestors(objects[owner][1], objects)
    return owners
