import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Any(_message.Message):
    __slots__ = ("type_url", "value")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    value: bytes
    def __init__(self, type_url: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RpcMessage(_message.Message):
    __slots__ = ("request", "response", "open", "open_ack", "stream_close", "bye")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OPEN_ACK_FIELD_NUMBER: _ClassVar[int]
    STREAM_CLOSE_FIELD_NUMBER: _ClassVar[int]
    BYE_FIELD_NUMBER: _ClassVar[int]
    request: Request
    response: Response
    open: bool
    open_ack: bool
    stream_close: StreamClose
    bye: Empty
    def __init__(self, request: _Optional[_Union[Request, _Mapping]] = ..., response: _Optional[_Union[Response, _Mapping]] = ..., open: _Optional[bool] = ..., open_ack: _Optional[bool] = ..., stream_close: _Optional[_Union[StreamClose, _Mapping]] = ..., bye: _Optional[_Union[Empty, _Mapping]] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("id", "method", "payload", "stream")
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    id: int
    method: str
    payload: Any
    stream: bool
    def __init__(self, id: _Optional[int] = ..., method: _Optional[str] = ..., payload: _Optional[_Union[Any, _Mapping]] = ..., stream: _Optional[bool] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("id", "payload", "error", "close", "stream_ready")
    ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    STREAM_READY_FIELD_NUMBER: _ClassVar[int]
    id: int
    payload: Any
    error: Error
    close: bool
    stream_ready: bool
    def __init__(self, id: _Optional[int] = ..., payload: _Optional[_Union[Any, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., close: _Optional[bool] = ..., stream_ready: _Optional[bool] = ...) -> None: ...

class StreamClose(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("name", "message", "stack")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    stack: str
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., stack: _Optional[str] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("package", "skip_existing", "access_token")
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    SKIP_EXISTING_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    package: Package
    skip_existing: bool
    access_token: str
    def __init__(self, package: _Optional[_Union[Package, _Mapping]] = ..., skip_existing: _Optional[bool] = ..., access_token: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("modules",)
    MODULES_FIELD_NUMBER: _ClassVar[int]
    modules: _containers.RepeatedCompositeFieldContainer[PublishedModule]
    def __init__(self, modules: _Optional[_Iterable[_Union[PublishedModule, _Mapping]]] = ...) -> None: ...

class PublishedModule(_message.Message):
    __slots__ = ("module", "urls")
    MODULE_FIELD_NUMBER: _ClassVar[int]
    URLS_FIELD_NUMBER: _ClassVar[int]
    module: Module
    urls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, module: _Optional[_Union[Module, _Mapping]] = ..., urls: _Optional[_Iterable[str]] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("modules",)
    MODULES_FIELD_NUMBER: _ClassVar[int]
    modules: _containers.RepeatedCompositeFieldContainer[Module]
    def __init__(self, modules: _Optional[_Iterable[_Union[Module, _Mapping]]] = ...) -> None: ...

class ResetResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class Package(_message.Message):
    __slots__ = ("license", "repos", "modules")
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    REPOS_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    license: str
    repos: _containers.RepeatedCompositeFieldContainer[Repo]
    modules: _containers.RepeatedCompositeFieldContainer[Module]
    def __init__(self, license: _Optional[str] = ..., repos: _Optional[_Iterable[_Union[Repo, _Mapping]]] = ..., modules: _Optional[_Iterable[_Union[Module, _Mapping]]] = ...) -> None: ...

class Module(_message.Message):
    __slots__ = ("name", "type", "display_name", "description", "tags", "bundle", "tunnel", "id", "deps", "build", "repos", "record")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DEPS_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    REPOS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    display_name: str
    description: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    bundle: bytes
    tunnel: bool
    id: str
    deps: _containers.RepeatedCompositeFieldContainer[Module]
    build: Build
    repos: _containers.RepeatedCompositeFieldContainer[Repo]
    record: Any
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., bundle: _Optional[bytes] = ..., tunnel: _Optional[bool] = ..., id: _Optional[str] = ..., deps: _Optional[_Iterable[_Union[Module, _Mapping]]] = ..., build: _Optional[_Union[Build, _Mapping]] = ..., repos: _Optional[_Iterable[_Union[Repo, _Mapping]]] = ..., record: _Optional[_Union[Any, _Mapping]] = ...) -> None: ...

class Build(_message.Message):
    __slots__ = ("command", "outdir", "version", "tag", "env")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    OUTDIR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    command: str
    outdir: str
    version: str
    tag: str
    env: _struct_pb2.Struct
    def __init__(self, command: _Optional[str] = ..., outdir: _Optional[str] = ..., version: _Optional[str] = ..., tag: _Optional[str] = ..., env: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Repo(_message.Message):
    __slots__ = ("name", "url", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    url: str
    version: str
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class TunnelRequest(_message.Message):
    __slots__ = ("name", "enabled")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    name: str
    enabled: bool
    def __init__(self, name: _Optional[str] = ..., enabled: _Optional[bool] = ...) -> None: ...

class TunnelResponse(_message.Message):
    __slots__ = ("name", "enabled", "url")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    name: str
    enabled: bool
    url: str
    def __init__(self, name: _Optional[str] = ..., enabled: _Optional[bool] = ..., url: _Optional[str] = ...) -> None: ...

class ListTunnelsResponse(_message.Message):
    __slots__ = ("tunnels",)
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    tunnels: _containers.RepeatedCompositeFieldContainer[TunnelResponse]
    def __init__(self, tunnels: _Optional[_Iterable[_Union[TunnelResponse, _Mapping]]] = ...) -> None: ...

class InitAuthSequenceResponse(_message.Message):
    __slots__ = ("nonce", "kube_key")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    KUBE_KEY_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    kube_key: PublicKey
    def __init__(self, nonce: _Optional[bytes] = ..., kube_key: _Optional[_Union[PublicKey, _Mapping]] = ...) -> None: ...

class Authentication(_message.Message):
    __slots__ = ("presentation",)
    PRESENTATION_FIELD_NUMBER: _ClassVar[int]
    presentation: Presentation
    def __init__(self, presentation: _Optional[_Union[Presentation, _Mapping]] = ...) -> None: ...

class AuthenticateResponse(_message.Message):
    __slots__ = ("token", "credential")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    token: str
    credential: Credential
    def __init__(self, token: _Optional[str] = ..., credential: _Optional[_Union[Credential, _Mapping]] = ...) -> None: ...

class GetConfigResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: Config
    def __init__(self, config: _Optional[_Union[Config, _Mapping]] = ...) -> None: ...

class SetConfigRequest(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: ConfigPair
    def __init__(self, config: _Optional[_Union[ConfigPair, _Mapping]] = ...) -> None: ...

class ConfigPair(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Services(_message.Message):
    __slots__ = ("services",)
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    services: _containers.RepeatedCompositeFieldContainer[Service]
    def __init__(self, services: _Optional[_Iterable[_Union[Service, _Mapping]]] = ...) -> None: ...

class Service(_message.Message):
    __slots__ = ("name", "status", "addresses", "type", "well_knowns")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[Service.Status]
        STARTED: _ClassVar[Service.Status]
        STOPPED: _ClassVar[Service.Status]
        FAILED: _ClassVar[Service.Status]
    UNKNOWN: Service.Status
    STARTED: Service.Status
    STOPPED: Service.Status
    FAILED: Service.Status
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[Service.Type]
        PROCESS: _ClassVar[Service.Type]
        SERVICE: _ClassVar[Service.Type]
    NONE: Service.Type
    PROCESS: Service.Type
    SERVICE: Service.Type
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    WELL_KNOWNS_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: Service.Status
    addresses: _containers.RepeatedScalarFieldContainer[str]
    type: Service.Type
    well_knowns: _containers.RepeatedCompositeFieldContainer[WellKnown]
    def __init__(self, name: _Optional[str] = ..., status: _Optional[_Union[Service.Status, str]] = ..., addresses: _Optional[_Iterable[str]] = ..., type: _Optional[_Union[Service.Type, str]] = ..., well_knowns: _Optional[_Iterable[_Union[WellKnown, _Mapping]]] = ...) -> None: ...

class WellKnown(_message.Message):
    __slots__ = ("url", "description")
    URL_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    url: str
    description: str
    def __init__(self, url: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class PublicKey(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class Presentation(_message.Message):
    __slots__ = ("credentials", "proofs")
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    credentials: _containers.RepeatedCompositeFieldContainer[Credential]
    proofs: _containers.RepeatedCompositeFieldContainer[Proof]
    def __init__(self, credentials: _Optional[_Iterable[_Union[Credential, _Mapping]]] = ..., proofs: _Optional[_Iterable[_Union[Proof, _Mapping]]] = ...) -> None: ...

class Credential(_message.Message):
    __slots__ = ("id", "issuer", "issuance_date", "expiration_date", "expiration_ref", "subject", "proof")
    ID_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    ISSUANCE_DATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_DATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_REF_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    id: PublicKey
    issuer: PublicKey
    issuance_date: _timestamp_pb2.Timestamp
    expiration_date: _timestamp_pb2.Timestamp
    expiration_ref: bytes
    subject: Claim
    proof: Proof
    def __init__(self, id: _Optional[_Union[PublicKey, _Mapping]] = ..., issuer: _Optional[_Union[PublicKey, _Mapping]] = ..., issuance_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expiration_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expiration_ref: _Optional[bytes] = ..., subject: _Optional[_Union[Claim, _Mapping]] = ..., proof: _Optional[_Union[Proof, _Mapping]] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("id", "assertion")
    ID_FIELD_NUMBER: _ClassVar[int]
    ASSERTION_FIELD_NUMBER: _ClassVar[int]
    id: PublicKey
    assertion: Any
    def __init__(self, id: _Optional[_Union[PublicKey, _Mapping]] = ..., assertion: _Optional[_Union[Any, _Mapping]] = ...) -> None: ...

class Proof(_message.Message):
    __slots__ = ("type", "creation_date", "signer", "nonce", "value", "chain")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    type: str
    creation_date: _timestamp_pb2.Timestamp
    signer: PublicKey
    nonce: bytes
    value: bytes
    chain: Chain
    def __init__(self, type: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signer: _Optional[_Union[PublicKey, _Mapping]] = ..., nonce: _Optional[bytes] = ..., value: _Optional[bytes] = ..., chain: _Optional[_Union[Chain, _Mapping]] = ...) -> None: ...

class Chain(_message.Message):
    __slots__ = ("credential",)
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    credential: Credential
    def __init__(self, credential: _Optional[_Union[Credential, _Mapping]] = ...) -> None: ...

class AuthorizedDevice(_message.Message):
    __slots__ = ("identity_key", "device_key")
    IDENTITY_KEY_FIELD_NUMBER: _ClassVar[int]
    DEVICE_KEY_FIELD_NUMBER: _ClassVar[int]
    identity_key: PublicKey
    device_key: PublicKey
    def __init__(self, identity_key: _Optional[_Union[PublicKey, _Mapping]] = ..., device_key: _Optional[_Union[PublicKey, _Mapping]] = ...) -> None: ...

class KubeAccess(_message.Message):
    __slots__ = ("kube_key", "identity_key", "capabilities")
    KUBE_KEY_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_KEY_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    kube_key: PublicKey
    identity_key: PublicKey
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kube_key: _Optional[_Union[PublicKey, _Mapping]] = ..., identity_key: _Optional[_Union[PublicKey, _Mapping]] = ..., capabilities: _Optional[_Iterable[str]] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("swarm", "peer")
    SWARM_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    swarm: bytes
    peer: bytes
    def __init__(self, swarm: _Optional[bytes] = ..., peer: _Optional[bytes] = ...) -> None: ...

class SwarmEvent(_message.Message):
    __slots__ = ("peer_available", "peer_left")
    PEER_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PEER_LEFT_FIELD_NUMBER: _ClassVar[int]
    peer_available: PeerAvailable
    peer_left: PeerLeft
    def __init__(self, peer_available: _Optional[_Union[PeerAvailable, _Mapping]] = ..., peer_left: _Optional[_Union[PeerLeft, _Mapping]] = ...) -> None: ...

class PeerAvailable(_message.Message):
    __slots__ = ("peer", "since", "until", "announce_back_to_host")
    PEER_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCE_BACK_TO_HOST_FIELD_NUMBER: _ClassVar[int]
    peer: bytes
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    announce_back_to_host: bytes
    def __init__(self, peer: _Optional[bytes] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., announce_back_to_host: _Optional[bytes] = ...) -> None: ...

class PeerLeft(_message.Message):
    __slots__ = ("peer",)
    PEER_FIELD_NUMBER: _ClassVar[int]
    peer: bytes
    def __init__(self, peer: _Optional[bytes] = ...) -> None: ...

class ReceptionRequest(_message.Message):
    __slots__ = ("peer",)
    PEER_FIELD_NUMBER: _ClassVar[int]
    peer: bytes
    def __init__(self, peer: _Optional[bytes] = ...) -> None: ...

class SignalMessage(_message.Message):
    __slots__ = ("author", "recipient", "payload")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    author: bytes
    recipient: bytes
    payload: Any
    def __init__(self, author: _Optional[bytes] = ..., recipient: _Optional[bytes] = ..., payload: _Optional[_Union[Any, _Mapping]] = ...) -> None: ...

class Config(_message.Message):
    __slots__ = ("version", "runtime")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    version: int
    runtime: Runtime
    def __init__(self, version: _Optional[int] = ..., runtime: _Optional[_Union[Runtime, _Mapping]] = ...) -> None: ...

class Runtime(_message.Message):
    __slots__ = ("services", "kube")
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    KUBE_FIELD_NUMBER: _ClassVar[int]
    services: RuntimeServices
    kube: RuntimeKube
    def __init__(self, services: _Optional[_Union[RuntimeServices, _Mapping]] = ..., kube: _Optional[_Union[RuntimeKube, _Mapping]] = ...) -> None: ...

class RuntimeServices(_message.Message):
    __slots__ = ("ipfs", "signaling", "ice", "publisher", "supervisor", "tunneling")
    IPFS_FIELD_NUMBER: _ClassVar[int]
    SIGNALING_FIELD_NUMBER: _ClassVar[int]
    ICE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    SUPERVISOR_FIELD_NUMBER: _ClassVar[int]
    TUNNELING_FIELD_NUMBER: _ClassVar[int]
    ipfs: Ipfs
    signaling: _containers.RepeatedCompositeFieldContainer[Endpoint]
    ice: _containers.RepeatedCompositeFieldContainer[Ice]
    publisher: Endpoint
    supervisor: Endpoint
    tunneling: Endpoint
    def __init__(self, ipfs: _Optional[_Union[Ipfs, _Mapping]] = ..., signaling: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., ice: _Optional[_Iterable[_Union[Ice, _Mapping]]] = ..., publisher: _Optional[_Union[Endpoint, _Mapping]] = ..., supervisor: _Optional[_Union[Endpoint, _Mapping]] = ..., tunneling: _Optional[_Union[Endpoint, _Mapping]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("server",)
    SERVER_FIELD_NUMBER: _ClassVar[int]
    server: str
    def __init__(self, server: _Optional[str] = ...) -> None: ...

class Ipfs(_message.Message):
    __slots__ = ("server", "gateway")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    server: str
    gateway: str
    def __init__(self, server: _Optional[str] = ..., gateway: _Optional[str] = ...) -> None: ...

class Ice(_message.Message):
    __slots__ = ("urls", "username", "credential")
    URLS_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    urls: str
    username: str
    credential: str
    def __init__(self, urls: _Optional[str] = ..., username: _Optional[str] = ..., credential: _Optional[str] = ...) -> None: ...

class RuntimeKube(_message.Message):
    __slots__ = ("host", "port", "app_tunneling")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    APP_TUNNELING_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: str
    app_tunneling: AppTunneling
    def __init__(self, host: _Optional[str] = ..., port: _Optional[str] = ..., app_tunneling: _Optional[_Union[AppTunneling, _Mapping]] = ...) -> None: ...

class AppTunneling(_message.Message):
    __slots__ = ("enabled",)
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    def __init__(self, enabled: _Optional[bool] = ...) -> None: ...
