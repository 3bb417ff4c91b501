import type { MetricCollector } from "./sources.ts";

/** What the rooms of a host tell: `stats` of `@enetjs/enet/rooms`. */
export interface RoomsCounters {
  /** Hosts of the cluster, this one included. */
  readonly hosts: number;
  /** Rooms that have members, on any host. */
  readonly rooms: number;
  /** Members of all rooms on all hosts. */
  readonly members: number;
  /** Rooms that have members on this host. */
  readonly localRooms: number;
  /** Messages to rooms and users. */
  readonly messagesOut: number;
  /** Bytes of these. */
  readonly bytesOut: number;
  /** Messages from the backplane. */
  readonly messagesIn: number;
  /** Bytes of these. */
  readonly bytesIn: number;
  /** Dropped messages, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Messages from the backplane that were refused. */
  readonly refused: number;
  /** Whether the link to the backplane is up. */
  readonly linked: boolean;
  /** Bytes that wait for the backplane. */
  readonly queuedBytes: number;
  /** Milliseconds to the backplane and back. */
  readonly lagMs: number;
}

/**
 * The rooms of a host as a source of metrics, `enet_rooms_…`.
 *
 * @param rooms what has the counters
 */
export function roomsMetrics(rooms: { readonly stats: RoomsCounters }): MetricCollector {
  return {
    metrics() {
      const { stats } = rooms;
      const one = (type: "gauge" | "counter") => (name: string, help: string, value: number) => ({
        ...{ name: `enet_rooms_${name}`, type, help },
        samples: [{ value }],
      });
      const [gauge, counter] = [one("gauge"), one("counter")];
      return [
        gauge("cluster_hosts", "Hosts of the cluster", stats.hosts),
        gauge("rooms", "Rooms that have members, on any host", stats.rooms),
        gauge("members", "Members of all rooms on all hosts", stats.members),
        gauge("local_rooms", "Rooms that have members on this host", stats.localRooms),
        gauge("linked", "1 while the link to the backplane is up", Number(stats.linked)),
        gauge("queue_bytes", "Bytes that wait for the backplane", stats.queuedBytes),
        gauge("lag_seconds", "Time to the backplane and back", stats.lagMs / 1000),
        counter("sent_messages", "Messages to rooms and users", stats.messagesOut),
        counter("sent_bytes", "Bytes of these", stats.bytesOut),
        counter("received_messages", "Messages from the backplane", stats.messagesIn),
        counter("received_bytes", "Bytes of these", stats.bytesIn),
        counter("refused_messages", "Refused messages from the backplane", stats.refused),
        {
          name: "enet_rooms_dropped_messages",
          type: "counter",
          help: "Dropped messages",
          samples: Object.entries(stats.dropped).map(([reason, value]) => ({
            labels: { reason },
            value,
          })),
        },
      ];
    },
  };
}
