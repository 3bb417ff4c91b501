import { createHash, randomBytes } from "node:crypto";
import process from "node:process";
import { type AddressFilter, filterAllows } from "../address_filter.ts";
import { ENetError } from "../errors.ts";
import { Host, hosts } from "../host.ts";
import type { Endpoint } from "../internal/endpoint.ts";
import { makeInspectable } from "../internal/inspect.ts";
import { bracketed, type IpAddress, needsZone, parseIp } from "../internal/ip.ts";
import { refuseUnknown } from "../internal/strict.ts";
import { show } from "../internal/validate.ts";
import type { Data } from "../packet.ts";
import {
  few,
  isBroadcast,
  isOfNoMachine,
  isOnLink,
  listNetworks,
  type Networks,
  reaching,
  requireSome,
} from "./networks.ts";
import {
  type AnnounceOptions,
  type AnnouncePlan,
  BROADCAST,
  checkData,
  checkName,
  GROUP_IPV4,
  GROUP_IPV6,
  planAnnounce,
} from "./options.ts";
import { AnswerRate } from "./rate.ts";
import { Sockets, type Source, type Spot } from "./sockets.ts";
import { decodeQuery, encodeAnswer, ID_BYTES, sameBytes } from "./wire.ts";

/** Milliseconds after which the networks are looked at again. */
const REFRESH_MS = 5000;
/** What the error says for a host on `::1`, or on an address whose network has gone. */
const REACHED_BY_NONE = "; no broadcast or multicast reaches this host: listen without hostname";

const NOWHERE = { zone: "", numbers: [], group: "", joins: [], targets: [] } as const;

/**
 * The sockets that hear queries on these networks. On Linux each is bound to the group or to the broadcast address.
 * The system then drops what is sent to this machine alone.
 */
function spotsOf({ ipv4, ipv6 }: Networks, { discoveryPort: port, offLink }: AnnouncePlan): Spot[] {
  const isStrict = process.platform === "linux" && !offLink;
  const group = {
    numbers: ipv4.map(({ number }) => number),
    group: GROUP_IPV4,
    joins: ipv4.map(({ address }) => address),
  };
  const spots: Spot[] = [];
  if (ipv4.length > 0 && isStrict) {
    spots.push({ ...NOWHERE, type: "udp4", address: GROUP_IPV4, port, ...group });
    spots.push({ ...NOWHERE, type: "udp4", address: BROADCAST, port });
  } else if (ipv4.length > 0) {
    spots.push({ ...NOWHERE, type: "udp4", address: "0.0.0.0", port, ...group });
  }
  for (const { interface: zone, number } of ipv6) {
    const address = `${GROUP_IPV6}%${zone}`;
    const joined = { zone, numbers: [number], group: GROUP_IPV6, joins: [`::%${zone}`] };
    spots.push({ ...NOWHERE, type: "udp6", address, port, ...joined });
  }
  if (ipv6.length > 0 && offLink) spots.push({ ...NOWHERE, type: "udp6", address: "::", port });
  return spots;
}

/** Makes one announcement; known to this file alone. */
let create: (host: Host, plan: AnnouncePlan) => Announcement;
let start: (announcement: Announcement) => Promise<void>;

/**
 * A host that answers when somebody looks for servers. It ends with the host, or by
 * {@linkcode Announcement.stop}. It does not keep the process alive; the host does.
 */
export class Announcement implements Disposable {
  readonly #host: Host;
  readonly #endpoint: Endpoint;
  readonly #plan: AnnouncePlan;
  readonly #sockets: Sockets;
  readonly #rate: AnswerRate = new AnswerRate();
  /** What makes the ids of this server; nobody else knows it. */
  readonly #secret = randomBytes(16);
  readonly #stop = (): void => this.stop();
  #name: string;
  #data: Uint8Array;
  #networks: Networks = { ipv4: [], ipv6: [] };
  #filter: AddressFilter | undefined;
  #allows: (address: IpAddress) => boolean = () => true;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopped = false;

  private constructor(host: Host, plan: AnnouncePlan) {
    this.#host = host;
    this.#endpoint = hosts.endpointOf(host);
    this.#plan = plan;
    this.#name = plan.name;
    this.#data = plan.data;
    this.#sockets = new Sockets((bytes, source) => this.#answer(bytes, source), false);
    Object.preventExtensions(this);
  }

  /**
   * What the server is called. It can be assigned at any time.
   *
   * @throws {TypeError} for what is no text in one line
   * @throws {RangeError} if it is longer than 64 bytes of UTF-8
   */
  get name(): string {
    return this.#name;
  }
  set name(name: string) {
    this.#name = checkName(name);
  }

  /**
   * What else the server tells, as a copy. It can be assigned at any time; a string is UTF-8.
   *
   * @throws {TypeError} for what is neither bytes nor a string
   * @throws {RangeError} if it is longer than 512 bytes
   */
  get data(): Uint8Array {
    return this.#data.slice();
  }
  set data(data: Data) {
    this.#data = checkData(data);
  }

  /** Whether it has ended. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Ends the announcement; the host stays open. Does nothing when it has ended. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#endpoint.closers.delete(this.#stop);
    clearInterval(this.#timer);
    this.#sockets.close();
  }

  /** Ends the announcement. */
  [Symbol.dispose](): void {
    this.stop();
  }

  async #start(): Promise<void> {
    this.#endpoint.closers.add(this.#stop);
    try {
      const error = await this.#refresh();
      if (error !== undefined && !this.#stopped) this.#judge(error);
    } catch (error) {
      this.stop();
      throw error;
    }
    if (this.#stopped) return;
    // A network that fails is tried again.
    this.#timer = setInterval(() => void this.#refresh().catch(() => {}), REFRESH_MS);
    this.#timer.unref();
  }

  /** Throws the error of a socket that could not be opened, if there is no doing without that socket. */
  #judge(error: ENetError): void {
    const { code, message } = error;
    if (code === "ENETJS_ERR_ADDRESS_IN_USE") {
      const remedy = "choose another discoveryPort, for the searches too";
      throw new ENetError(code, `${message}; ${remedy}`, { cause: error.cause });
    }
    if (!this.#sockets.isOpen) throw error;
  }

  /** Opens the sockets that the present networks need. */
  async #refresh(): Promise<ENetError | undefined> {
    const { interfaces, discoveryPort } = this.#plan;
    const { hostname } = this.#host.address;
    const { ipv6Only } = this.#endpoint.settings;
    this.#networks = few(reaching(listNetworks(interfaces), hostname, ipv6Only));
    const what = `Announcing ${bracketed(hostname)}`;
    if (this.#timer === undefined) {
      requireSome(this.#networks, what, interfaces, REACHED_BY_NONE);
    }
    const where = `${what} on UDP port ${discoveryPort}`;
    return await this.#sockets.refresh(spotsOf(this.#networks, this.#plan), where);
  }

  /** Whether a query from there is answered at all. */
  #serves(hostname: string): boolean {
    const ip = parseIp(hostname);
    if (ip === undefined || isOfNoMachine(ip) || isBroadcast(this.#networks, ip)) return false;
    // The socket for all interfaces cannot tell which one a link-local address is on.
    if (typeof ip === "object" && needsZone(ip) && ip.zone === "") return false;
    if (!isOnLink(this.#networks, ip) && !this.#plan.offLink) return false;
    const { filter } = this.#endpoint.settings;
    if (filter !== this.#filter) {
      this.#filter = filter;
      this.#allows = filterAllows(filter);
    }
    return this.#allows(ip);
  }

  #answer(bytes: Uint8Array, source: Source): void {
    const query = decodeQuery(bytes);
    if (query === undefined || !sameBytes(query.game, this.#plan.game) || source.port === 0) return;
    if (!this.#serves(source.hostname)) return;
    if (!this.#rate.take(source.hostname, performance.now())) return;
    const hash = createHash("sha256").update(this.#secret).update(query.nonce).digest();
    const answer = encodeAnswer({
      nonce: query.nonce,
      number: query.number,
      id: hash.subarray(0, ID_BYTES),
      peers: this.#host.stats.connectedPeers,
      maximumPeers: this.#endpoint.settings.peers,
      name: this.#name,
      data: this.#data,
    });
    try {
      this.#host.sendDatagram(source, answer);
    } catch (error) {
      if (!(error instanceof ENetError)) throw error; // the host's socket has failed, which the host reports
    }
  }

  static {
    makeInspectable(
      this.prototype,
      "Announcement",
      (announcement) => `${show(announcement.#name)}${announcement.#stopped ? ", stopped" : ""}`,
    );
    refuseUnknown(this.prototype, "The announcement");
    create = (host, plan) => new Announcement(host, plan);
    start = (announcement) => announcement.#start();
  }
}

/**
 * Lets others find a host with {@linkcode discover}. The host itself answers, so the address that an answer comes from
 * is the one to connect to.
 *
 * Only machines on the same networks get an answer, unless `offLink` is set; addresses that the host's filter denies
 * get none. Ten answers a second go to one address, 200 to all.
 *
 * @param host a host of `Host.listen`
 * @param options the game, the server's name and what else is told
 * @returns the announcement, when it has begun
 * @throws {TypeError} for an option that is missing, unknown or of the wrong type, and for a host of `Host.create`
 * @throws {RangeError} for a value out of range
 * @throws {ENetError} `ENETJS_ERR_CLOSED`; `ENETJS_ERR_ADDRESS_UNAVAILABLE` if no network reaches the host;
 *   `ENETJS_ERR_ADDRESS_IN_USE` if a program has the discovery port for itself; `ENETJS_ERR_PERMISSION`
 */
export async function announce(host: Host, options: AnnounceOptions): Promise<Announcement> {
  if (!(host instanceof Host)) throw new TypeError(`host must be a Host, not ${show(host)}`);
  const plan = planAnnounce(options);
  const endpoint = hosts.endpointOf(host);
  if (!endpoint.listens) {
    throw new TypeError("host must be one of Host.listen: nobody can connect to this one");
  }
  endpoint.requireOpen("Announcing");
  if (endpoint.closing) throw new ENetError("ENETJS_ERR_CLOSED", "Announcing: the host is closing");
  const announcement = create(host, plan);
  await start(announcement);
  return announcement;
}
