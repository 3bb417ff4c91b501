/* What concerns the library as a whole: what is done when it is loaded, versions, error texts, counters. */
#include <string.h>

#include "base/number.h"
#include "base/pool.h"
#include "channel/channel.h"
#include "enetjs.h"
#include "host/internal.h"

#ifndef ENETJS_ENET_BUILT_IN
/* Runs before other code can use the libenet that was loaded as our dependency; see enet/libenet.c. */
__attribute__((constructor)) static void on_load(void) { enetjs_host_initialize(); }
#endif

double enetjs_abi_version(void) { return ENETJS_ABI_VERSION; }

double enetjs_libenet_version(void) { return (double)enet_linked_version(); }

double enetjs_error_text(double code, uint8_t *out, double capacity) {
  const char *text = "Unknown error";
  size_t length;
  switch (enetjs_is_integer(code, ENETJS_ERR_FILE_IN_USE, ENETJS_ERR_ARGUMENT) ? (int)code : 0) {
    case ENETJS_ERR_ARGUMENT: text = "An argument is outside its range"; break;
    case ENETJS_ERR_MEMORY: text = "Out of memory"; break;
    case ENETJS_ERR_STALE: text = "The connection has ended"; break;
    case ENETJS_ERR_CLOSED: text = "The host is closed"; break;
    case ENETJS_ERR_NOT_CONNECTED: text = "The peer is connecting or disconnecting"; break;
    case ENETJS_ERR_PEERS_EXHAUSTED: text = "Every peer of the host is in use"; break;
    case ENETJS_ERR_TOO_LARGE: text = "The data is larger than the maximum"; break;
    case ENETJS_ERR_ADDRESS_IN_USE: text = "The address is in use"; break;
    case ENETJS_ERR_ADDRESS_UNAVAILABLE: text = "The address does not belong to this machine"; break;
    case ENETJS_ERR_PERMISSION: text = "The system does not permit it"; break;
    case ENETJS_ERR_SOCKET: text = "The socket failed"; break;
    case ENETJS_ERR_THREAD: text = "No thread could be started"; break;
    case ENETJS_ERR_CHANNEL: text = "The connection has no such channel"; break;
    case ENETJS_ERR_LIMIT: text = "Out of descriptors or hosts"; break;
    case ENETJS_ERR_LAYOUT: text = "The shared memory does not fit the configuration"; break;
    case ENETJS_ERR_LIBENET:
      text = "libenet is not the version that libenetjs was built with, so build it again";
      break;
    case ENETJS_ERR_PLUGIN_MISSING: text = "There is no such plugin file"; break;
    case ENETJS_ERR_PLUGIN_PLATFORM: text = "The plugin's file is no library for this platform"; break;
    case ENETJS_ERR_PLUGIN_LOAD: text = "The system cannot load the plugin"; break;
    case ENETJS_ERR_PLUGIN_SYMBOL: text = "The library is no plugin"; break;
    case ENETJS_ERR_PLUGIN_ABI: text = "The plugin has another ABI version"; break;
    case ENETJS_ERR_PLUGIN_INITIALIZE: text = "The plugin refused to start"; break;
    case ENETJS_ERR_FAULT: text = "The other side of the channel broke its rules"; break;
    case ENETJS_ERR_UNGUARDED:
      text =
          "libenet's calls do not reach libenetjs, so nothing protects the host: the process had loaded "
          "libenet before; create a host before that, or listen with unguarded: true";
      break;
    case ENETJS_ERR_ADDRESS_FAMILY:
      text = "The system, or the host's socket, does not speak that version of IP";
      break;
    case ENETJS_ERR_REUSE_PORT:
      text = "This system does not share the clients of a port among several sockets";
      break;
    case ENETJS_ERR_SOCKETS_TAKEN: text = "Each socket of the shared port has a worker"; break;
    case ENETJS_ERR_SECURITY:
      text =
          "libsodium, which encryption needs, was not found: install libsodium23 (Debian, Ubuntu) or "
          "libsodium (Fedora, Arch, Alpine, Homebrew), or put libsodium.dll beside enetjs.dll (Windows)";
      break;
    case ENETJS_ERR_KEY_PAIR: text = "The public key is not that of the secret key"; break;
    case ENETJS_ERR_FILE: text = "The file cannot be opened, or is no regular file"; break;
    case ENETJS_ERR_FILE_IN_USE: text = "Another capture writes to the file"; break;
    case ENETJS_ERR_NO_HOLDER:
      text = "The shared port is closed, or the process that holds it has ended or does not answer";
      break;
  }
  length = strlen(text);
  if (!out || !(capacity >= 0)) return ENETJS_ERR_ARGUMENT;
  if ((double)length > capacity) length = (size_t)capacity;
  memcpy(out, text, length);
  return (double)length;
}

static double write_doubles(const double *values, size_t count, uint8_t *out, double capacity) {
  size_t bytes = count * sizeof(double);
  if (!out || !(capacity >= 0)) return ENETJS_ERR_ARGUMENT;
  memcpy(out, values, capacity < (double)bytes ? (size_t)capacity : bytes);
  return (double)count;
}

double enetjs_diagnostics(uint8_t *out, double capacity) {
  struct enetjs_pool_stats pool;
  double values[ENETJS_DIAGNOSTIC_COUNT];
  enetjs_pool_stats(&pool);
  values[ENETJS_DIAGNOSTIC_HOSTS] = atomic_load(&enetjs_live_hosts);
  values[ENETJS_DIAGNOSTIC_PUMPS] = atomic_load(&enetjs_live_pumps);
  values[ENETJS_DIAGNOSTIC_PACKETS] = (double)enetjs_packet_live();
  values[ENETJS_DIAGNOSTIC_ALLOCATIONS] = (double)pool.live_allocations;
  values[ENETJS_DIAGNOSTIC_ALLOCATED_BYTES] = (double)pool.live_bytes;
  values[ENETJS_DIAGNOSTIC_PACKETS_EVER] = (double)enetjs_packet_ever();
  values[ENETJS_DIAGNOSTIC_RESERVED_BYTES] = (double)pool.reserved_bytes;
  values[ENETJS_DIAGNOSTIC_CHANNELS] = atomic_load(&enetjs_live_channels);
  values[ENETJS_DIAGNOSTIC_PLUGINS] = atomic_load(&enetjs_live_plugins);
  values[ENETJS_DIAGNOSTIC_CHANNEL_BYTES] = (double)atomic_load(&enetjs_channel_bytes);
  return write_doubles(values, ENETJS_DIAGNOSTIC_COUNT, out, capacity);
}

_Static_assert(ENETJS_HEADER_BYTES >= 4 * (ENETJS_WORD_ENDPOINT + 6), "header words fit");
_Static_assert(ENETJS_STATS_COUNT >= ENETJS_PEER_STAT_COUNT, "peer statistics fit");
_Static_assert(ENETJS_STATS_COUNT >= ENETJS_HOST_STAT_COUNT, "host statistics fit");
_Static_assert(ENETJS_HOST_STAT_LIMITED_PEERS - ENETJS_HOST_STAT_LIMITED_CONNECTS == ENETJS_LIMIT_COUNT,
               "counters of limits are in the limits' order");
_Static_assert(ENETJS_RECORD_BYTES == 4 * (ENETJS_RECORD_ADDRESS + 1), "record words fill a record");
_Static_assert(ENETJS_PEER_SLOTS > ENET_PROTOCOL_MAXIMUM_PEER_ID, "every ENet peer has an index");

/* The order is part of the ABI: ffi/layout.ts lists the same names in the same order. */
static const double layout[] = {
      ENETJS_ABI_VERSION,
      ENETJS_PEER_SLOTS,
      ENETJS_HEADER_BYTES,
      ENETJS_STATS_COUNT,
      ENETJS_RECORD_BYTES,
      ENETJS_WORD_EVENT_HEAD,
      ENETJS_WORD_EVENT_TAIL,
      ENETJS_WORD_COMPLETION_HEAD,
      ENETJS_WORD_COMPLETION_TAIL,
      ENETJS_WORD_ARENA_HEAD,
      ENETJS_WORD_ARENA_TAIL,
      ENETJS_WORD_HELD,
      ENETJS_WORD_STATS_OFFSET,
      ENETJS_WORD_COMPLETION_OFFSET,
      ENETJS_WORD_EVENT_OFFSET,
      ENETJS_WORD_SCRATCH_OFFSET,
      ENETJS_WORD_INLINE_MAXIMUM,
      ENETJS_WORD_OUTBOX_FILLED,
      ENETJS_WORD_QUEUED_BYTES,
      ENETJS_WORD_ATTENDED,
      ENETJS_WORD_KEPT,
      ENETJS_MESSAGE_COST,
      ENETJS_OUTBOX_HEADER_BYTES,
      ENETJS_RECORD_TYPE,
      ENETJS_RECORD_PEER,
      ENETJS_RECORD_GENERATION,
      ENETJS_RECORD_DATA,
      ENETJS_RECORD_LENGTH,
      ENETJS_RECORD_EXTRA,
      ENETJS_RECORD_ARENA_TAIL,
      ENETJS_RECORD_ADDRESS,
      ENETJS_EVENT_CONNECT,
      ENETJS_EVENT_DISCONNECT,
      ENETJS_EVENT_RECEIVE,
      ENETJS_EVENT_PACKET,
      ENETJS_EVENT_DATAGRAM,
      ENETJS_COMPLETION_CONNECTED,
      ENETJS_COMPLETION_CLOSED,
      ENETJS_COMPLETION_DELIVERED,
      ENETJS_COMPLETION_UNDELIVERED,
      ENETJS_COMPLETION_DRAIN,
      ENETJS_COMPLETION_FAILED,
      ENETJS_COMPLETION_SHUTDOWN,
      ENETJS_REASON_REMOTE,
      ENETJS_REASON_LOCAL,
      ENETJS_REASON_TIMEOUT,
      ENETJS_REASON_RESET,
      ENETJS_REASON_REFUSED,
      ENETJS_REASON_LIMIT,
      ENETJS_CONFIG_COUNT,
      ENETJS_LIMIT_COUNT,
      ENETJS_HOST_STAT_COUNT,
      ENETJS_PEER_STAT_COUNT,
      ENETJS_DIAGNOSTIC_COUNT,
      ENET_PACKET_FLAG_RELIABLE,
      ENET_PACKET_FLAG_UNSEQUENCED,
      ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT,
      ENET_PROTOCOL_MINIMUM_MTU,
      ENET_PROTOCOL_MAXIMUM_MTU,
      ENET_PROTOCOL_MAXIMUM_PEER_ID,
      ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT,
      ENET_PEER_PACKET_LOSS_SCALE,
      ENET_PEER_PACKET_THROTTLE_SCALE,
      ENETJS_CODE_FULL,
      ENETJS_CODE_LIMIT,
      ENETJS_HOST_DATA_MINIMUM,
      ENETJS_SLOWEST_SECONDS,
      ENETJS_MAXIMUM_FILTER_RULES,
      ENETJS_COMPLETION_SENT_RELIABLY,
      ENETJS_BROADCAST_EXCEPT,
      ENETJS_BROADCAST_TO,
      ENETJS_CODE_DENIED,
      ENETJS_CODE_UNDECIDED,
      ENETJS_CODE_DUPLICATE,
      ENETJS_CODE_CLOSING,
      ENETJS_ACCEPT,
      ENETJS_COMPLETION_QUESTION,
      ENETJS_COMPLETION_TOO_LARGE,
      ENETJS_COMPLETION_UNREACHABLE,
      ENETJS_WATCH_READ,
      ENETJS_WATCH_WRITE,
      ENETJS_WATCH_HANG_UP,
      ENETJS_DECISION_MS,
      ENETJS_LINK_COUNT,
      ENETJS_CONDITION_COUNT,
      ENETJS_FATE_COUNT,
      ENETJS_JITTER_UNIFORM,
      ENETJS_JITTER_NORMAL,
      ENETJS_JITTER_PARETO,
      ENETJS_HELD_BYTES,
      ENETJS_MAXIMUM_LINKS,
      ENETJS_PRIORITY_MAXIMUM,
      ENETJS_CONGESTION_ADAPTIVE,
      ENETJS_CONGESTION_ENET,
      ENETJS_WORD_ENDPOINT,
      ENETJS_ENDPOINT,
      ENETJS_RECORD_ENDPOINT,
      (double)ENETJS_ADDRESS_BEFORE,
      ENETJS_IPV6_NONE,
      ENETJS_IPV6_ONLY,
      ENETJS_IPV6_DUAL,
      ENETJS_IPV6_AUTO,
      ENETJS_DEFAULT_MTU,
      ENETJS_IPV6_MTU,
      ENETJS_FILTER_ALLOW,
      ENETJS_FILTER_IPV6,
      (double)ENETJS_ADDRESS_IPV6,
      ENETJS_REACHES_IPV4,
      ENETJS_REACHES_IPV6,
      ENETJS_PORT_NAME,
      ENETJS_PORT_ADDRESS,
      ENETJS_PORT_WORDS,
      ENETJS_PORT_COUNT,
      ENETJS_MAXIMUM_WORKERS,
      ENETJS_EVENT_MOVED,
      ENETJS_EVENT_CLIENT,
      ENETJS_COMPLETION_SECURED,
      ENETJS_REASON_TOKEN,
      ENETJS_CAPTURE_MINIMUM,
      ENETJS_CAPTURE_MAXIMUM_FILES,
      ENETJS_CAPTURE_STAT_COUNT,
      ENETJS_NOTHING_HELD,
      ENETJS_CHANNEL_DIRECTION_BYTES,
      ENETJS_CHANNEL_GUARD_BYTES,
      ENETJS_CHANNEL_UNIT_BYTES,
      ENETJS_CHANNEL_RECORD_HEADER,
      ENETJS_CHANNEL_RING_ALIGNMENT,
      ENETJS_CHANNEL_MAXIMUM_BYTES,
      ENETJS_CHANNEL_WORD_HEAD,
      ENETJS_CHANNEL_WORD_PRODUCER_WAITS,
      ENETJS_CHANNEL_WORD_WRAP,
      ENETJS_CHANNEL_WORD_TAIL,
      ENETJS_CHANNEL_WORD_CONSUMER_WAITS,
      ENETJS_CHANNEL_WORD_OFFSET,
      ENETJS_CHANNEL_WORD_RING_BYTES,
      ENETJS_CHANNEL_WORD_CAPACITY,
      ENETJS_CHANNEL_RECORD_LENGTH,
      ENETJS_CHANNEL_RECORD_KIND,
      ENETJS_CHANNEL_KIND_PLAIN,
      ENETJS_CHANNEL_KIND_OFFERED,
      ENETJS_CHANNEL_KIND_TAKEN,
      ENETJS_CHANNEL_KIND_WITHDRAWN,
      ENETJS_CHANNEL_WAIT_ANY,
      ENETJS_CHANNEL_WAIT_HALF,
      ENETJS_CHANNEL_WAIT_EMPTY,
      ENETJS_CHANNEL_STATE_LOADING,
      ENETJS_CHANNEL_STATE_RUNNING,
      ENETJS_CHANNEL_TEXT_ERROR,
      ENETJS_CHANNEL_TEXT_NAME,
      ENETJS_CHANNEL_TEXT_VERSION,
};

double enetjs_layout(uint8_t *out, double capacity) {
  return write_doubles(layout, sizeof(layout) / sizeof(layout[0]), out, capacity);
}
