"""The archives of an installation: where new logs go, and where those of older tasks are."""

from crds import errors
from crds.archive import CONFIG_MAPS, Archive
from crds.client import Client
from crds.configmaps import ConfigMapArchive
from crds.model import AnsibleTask
from crds.objectstore import ObjectArchive, StoreSettings


class Archives:
    """The ConfigMaps of a namespace, and the object store, if one is set."""

    def __init__(self, client: Client, namespace: str, settings: StoreSettings) -> None:
        self.config_maps = ConfigMapArchive(client, namespace)
        self.store = ObjectArchive(settings, client.fence) if settings.archive_url else None

    @property
    def current(self) -> Archive:
        """Where logs of new tasks go."""
        return self.store or self.config_maps

    def of(self, task: AnsibleTask) -> Archive:
        """Where the log of a task is, or is to go; StoreNotConfigured where that is another store
        than the one that is set."""
        place = task.status.log.archive if task.status.log is not None else None
        if place is None:
            return self.current
        if place == CONFIG_MAPS:
            return self.config_maps
        if self.store is not None and place == self.store.place:
            return self.store
        raise errors.StoreNotConfigured(f"The log is in {place}, which is not set up any more.")
