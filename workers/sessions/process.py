"""A session worker process, put together."""

from __future__ import annotations

import msgspec
import structlog

from config.settings import Settings, WrongSetting
from wa_api.domain.ids import WorkerId
from wa_api.domain.sessions import MediaPolicy
from wa_api.net.addresses import Rules
from wa_api.shelf import MediaOptions, open_shelf
from wa_api.store.sealing import Sealer
from workers.engine.factory import NeonizeFactory
from workers.engine.port import EngineUnusable, NetworkEndpoint
from workers.engine.stores import DeviceStores, open_stores
from workers.pulse import BEAT_SECONDS
from workers.run import on_signals, open_shared
from workers.sessions.actor import Means
from workers.sessions.attachments import MediaMeans
from workers.sessions.claims import Place
from workers.sessions.deadman import deadman
from workers.sessions.previews import Previews
from workers.sessions.stored import open_records
from workers.sessions.supervisor import Limits, Supervisor
from workers.sessions.voice import Debts

log = structlog.get_logger()


async def work(settings: Settings, network: str, worker: WorkerId) -> int:
    """Own sessions of a network until told to leave; the exit code."""
    limits = Limits(
        settings.sessions.starts_per_second, settings.sessions.drain_seconds, BEAT_SECONDS
    )
    async with (
        open_shared(settings, worker) as bus,
        open_records() as records,
        open_stores(settings.database_url, settings.data / "devices" / network) as stores,
    ):
        factory = _factory(settings, network, stores)
        chosen, media = settings.sessions, _media(settings)
        means = Means(
            *(records, bus.log, bus.inbox, factory, Debts(), media),
            restriction_seconds=chosen.restriction_seconds,
            contacts_seconds=chosen.contacts_seconds,
            sealer=Sealer(settings.sealing_keys()),
        )
        supervisor = Supervisor(
            Place(worker, network, settings.sessions.capacity),
            limits,
            bus.leases,
            bus.fleet,
            means,
            deadman(),
        )
        on_signals(supervisor.leave)
        log.info("worker.started", network=network, capacity=settings.sessions.capacity)
        code = await supervisor.run()
        await factory.close()
    log.info("worker.ended", code=code)
    return code


def _factory(settings: Settings, network: str, stores: DeviceStores) -> NeonizeFactory:
    try:
        rules = Rules(settings.sessions.allowed)
        return NeonizeFactory(_endpoint(settings, network), stores, rules=rules)
    except EngineUnusable as error:
        raise WrongSetting(f"WA_NETWORKS__{network.upper()}: {error}") from None


def _media(settings: Settings) -> MediaMeans:
    policy = msgspec.convert(settings.media.policy, MediaPolicy)
    shelf = open_shelf(MediaOptions(**settings.media_options()))
    return MediaMeans(shelf, policy, Previews(shelf))


def _endpoint(settings: Settings, name: str) -> NetworkEndpoint:
    network = settings.network(name)
    key = network.noise_root_key_file
    try:
        root = key.read_bytes() if key else None
    except OSError as error:
        setting = f"WA_NETWORKS__{name.upper()}__NOISE_ROOT_KEY_FILE"
        raise WrongSetting(f"{setting}: cannot be read ({error.strerror}).") from None
    return NetworkEndpoint(name, network.proxy_url, network.ca_file, root)
