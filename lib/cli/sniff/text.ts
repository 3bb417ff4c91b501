/**
 * Datagrams in words.
 *
 * @module
 */
import type { Command, EnetDatagram } from "./enet.ts";
import type { SecurityDatagram } from "./security.ts";

const CONNECTION_CHANNEL = 255;
/** Bytes of a message that are shown. */
const SHOWN = 16;

/** The first bytes of a message in hexadecimal digits. */
export const preview = (bytes: Uint8Array): string =>
  Array.from(bytes.subarray(0, SHOWN), (byte) => byte.toString(16).padStart(2, "0")).join(" ");

const fragment = ({ startSequence, fragments, fragment, totalLength, offset }: Command["fields"]) =>
  `${fragment + 1} of ${fragments} of #${startSequence}, at ${offset} of ${totalLength}`;

const connection = (fields: Command["fields"]) =>
  `id ${fields.connectId.toString(16).padStart(8, "0")}, peer ${fields.outgoingPeer}, ` +
  `${fields.channels} channels, MTU ${fields.mtu}, window ${fields.windowSize}` +
  (fields.data === undefined ? "" : `, data ${fields.data}`);

/** What a command says beside its name, its channel and its number. */
const DETAILS: Readonly<Record<string, (fields: Command["fields"]) => string>> = {
  acknowledge: (fields) => `of #${fields.receivedSequence}, sent ${fields.receivedSentTime}`,
  connect: connection,
  "verify connect": connection,
  disconnect: ({ data }) => `data ${data}`,
  fragment,
  "unreliable fragment": fragment,
  unsequenced: ({ group }) => `group ${group}`,
  "bandwidth limit": (fields) =>
    `${fields.incomingBandwidth} in, ${fields.outgoingBandwidth} out, in bytes a second`,
  throttle: (fields) =>
    `${fields.interval} ms, up ${fields.acceleration}, down ${fields.deceleration}`,
};

function numberOf({ name, sequence, fields, isUnsequenced }: Command): string {
  if (name === "acknowledge" || isUnsequenced) return "";
  const { unreliableSequence } = fields;
  return unreliableSequence === undefined ? `#${sequence}` : `#${sequence}.${unreliableSequence}`;
}

/** A command on one line. @param showsData whether the first bytes of a message are shown */
export function commandText(command: Command, isAgain: boolean, showsData: boolean): string {
  const { name, channel, fields, data } = command;
  const parts = [
    channel === CONNECTION_CHANNEL ? "" : `channel ${channel}`,
    numberOf(command),
    data === undefined ? "" : `${data.length} bytes`,
    DETAILS[name]?.(fields) ?? "",
    isAgain ? "sent again" : "",
    showsData && data !== undefined && data.length > 0
      ? `[${preview(data)}${data.length > SHOWN ? " …" : ""}]`
      : "",
  ];
  return `${name.padEnd(12)} ${parts.filter((part) => part !== "").join(" ")}`.trimEnd();
}

const CHECKSUMS = {
  none: "",
  right: "checksum right",
  wrong: "checksum wrong",
  unknown: "checksum not verified",
} as const;

/** The header of a datagram on one line. */
export function headerText(datagram: EnetDatagram): string {
  const { peer, session, sentTime, checksum, compressed, bytes } = datagram;
  return [
    peer === 0xFFF ? "no peer yet" : `peer ${peer}`,
    `session ${session}`,
    sentTime === undefined ? "" : `sent ${sentTime}`,
    CHECKSUMS[checksum],
    compressed === undefined ? "" : `compressed ${bytes} to ${compressed}`,
  ].filter((part) => part !== "").join(", ");
}

/** A datagram of encryption on one line. */
export function securityText({ kind, fields }: SecurityDatagram): string {
  const words = Object.entries(fields).map(([name, value]) => {
    if (name === "hasCookie") return value ? "with cookie" : "without cookie";
    return name === "enetBytes" ? `${value} bytes of ENet` : `${name} ${value}`;
  });
  return `encryption: ${[kind, ...words].join(", ")}`;
}
