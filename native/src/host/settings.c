/*
 * The settings of a host that may change while it lives, each checked against its range.
 *
 * A new host gets those of `options`, in that order. Channels and bandwidths it has from enet_host_create
 * already. Called with the host's lock held.
 */
#include "base/number.h"
#include "enet/compress.h"
#include "enet/libenet.h"
#include "host/internal.h"
#include "wire/guard.h"

/* A peer takes the host's MTU when it is reset, so the idle peers have taken the old one. */
static void set_mtu(ENetHost *enet, enet_uint32 mtu) {
  enet->mtu = mtu;
  for (size_t index = 0; index < enet->peerCount; index++)
    if (enet->peers[index].state == ENET_PEER_STATE_DISCONNECTED) enet->peers[index].mtu = mtu;
}

/*
 * allowance.c enforces this limit. Where libenet's memory cannot be counted, ENet's own limit is used. That
 * one is never below what a correct sender can have under way; otherwise it would refuse the message that
 * others wait for.
 */
static void set_maximum_waiting(struct enetjs_host *h, size_t bytes) {
  size_t ahead = (size_t)ENETJS_PACKETS_AHEAD * ENET_PROTOCOL_MAXIMUM_MTU;
  h->maximum_waiting = bytes;
  h->enet->maximumWaitingData = enetjs_libenet_owned ? SIZE_MAX : bytes > ahead ? bytes : ahead;
}

static double set_socket_buffer(ENetHost *enet, ENetSocketOption option, double bytes) {
  if (!enetjs_is_integer(bytes, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  return enet_socket_set_option(enet->socket, option, (int)bytes) == 0 ? 0 : ENETJS_ERR_SOCKET;
}

static double set_compression(ENetHost *enet, double value) {
  if (value > 1) return ENETJS_ERR_ARGUMENT;
  if (value == 1) return enetjs_compress_with_range_coder(enet) ? 0 : ENETJS_ERR_MEMORY;
  enet_host_compress(enet, NULL);
  return 0;
}

static double set_accept(struct enetjs_host *h, double value) {
  if (value > 1) return ENETJS_ERR_ARGUMENT;
  if (!h->guard) return value == 0 ? 0 : ENETJS_ERR_UNGUARDED;
  enetjs_guard_set_asks(h->guard, value != 0);
  return 0;
}

static double host_option(struct enetjs_host *h, int option, double value, double second) {
  ENetHost *enet = h->enet;
  if (!enetjs_is_integer(value, 0, UINT32_MAX) || !enetjs_is_integer(second, 0, UINT32_MAX))
    return ENETJS_ERR_ARGUMENT;
  switch (option) {
    case ENETJS_CONFIG_INCOMING_BANDWIDTH:
      enet_host_bandwidth_limit(enet, (enet_uint32)value, (enet_uint32)second);
      return 0;
    case ENETJS_CONFIG_CHANNELS: enet_host_channel_limit(enet, (size_t)value); return 0;
    case ENETJS_CONFIG_COMPRESSION: return set_compression(enet, value);
    case ENETJS_CONFIG_CHECKSUM:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      enet->checksum = value == 0 ? NULL : enetjs_datagram_checksum;
      return 0;
    case ENETJS_CONFIG_MTU:
      if (value < ENET_PROTOCOL_MINIMUM_MTU || value > ENET_PROTOCOL_MAXIMUM_MTU) return ENETJS_ERR_ARGUMENT;
      set_mtu(enet, (enet_uint32)value);
      return 0;
    case ENETJS_CONFIG_DUPLICATE_PEERS: enet->duplicatePeers = (size_t)value; return 0;
    case ENETJS_CONFIG_MAXIMUM_PACKET_SIZE: enet->maximumPacketSize = (size_t)value; return 0;
    case ENETJS_CONFIG_MAXIMUM_WAITING_DATA: set_maximum_waiting(h, (size_t)value); return 0;
    case ENETJS_CONFIG_MAXIMUM_HOST_DATA: h->maximum_data = (size_t)value; return 0;
    case ENETJS_CONFIG_RECEIVE_BUFFER: return set_socket_buffer(enet, ENET_SOCKOPT_RCVBUF, value);
    case ENETJS_CONFIG_SEND_BUFFER: return set_socket_buffer(enet, ENET_SOCKOPT_SNDBUF, value);
    case ENETJS_CONFIG_STALL_LIMIT:
      if (value < 1 || value > 60000) return ENETJS_ERR_ARGUMENT;
      h->stall_limit = (uint32_t)value;
      return 0;
    case ENETJS_CONFIG_SPIN:
      if (value > ENETJS_SPIN_ALWAYS) return ENETJS_ERR_ARGUMENT;
      h->spin = (int)value;
      return 0;
    case ENETJS_CONFIG_CONGESTION:
      if (value > ENETJS_CONGESTION_ENET) return ENETJS_ERR_ARGUMENT;
      enetjs_flows_set(h, value == ENETJS_CONGESTION_ADAPTIVE);
      return 0;
    case ENETJS_CONFIG_HIGH_WATER:
      h->high_water = (size_t)value;
      for (size_t index = 0; index < enet->peerCount; index++) enetjs_queue_measure(&h->slots[index]);
      return 0;
    case ENETJS_CONFIG_DATAGRAMS:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      h->datagrams = value != 0;
      return 0;
    case ENETJS_CONFIG_ACCEPT: return set_accept(h, value);
    case ENETJS_CONFIG_FILTER_REFUSES:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      h->filter_refuses = value != 0;
      return 0;
    case ENETJS_CONFIG_THROTTLE:
      if (value > ENETJS_THROTTLE_ENET) return ENETJS_ERR_ARGUMENT;
      h->throttle_off = value == ENETJS_THROTTLE_GAME;
      return 0;
    case ENETJS_CONFIG_REMOTE_THROTTLE:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      h->asks_throttle_off = value != 0;
      return 0;
    default: return ENETJS_ERR_ARGUMENT;
  }
}

double enetjs_settings_apply(struct enetjs_host *h, const double *c) {
  static const int options[] = {ENETJS_CONFIG_COMPRESSION,
                                ENETJS_CONFIG_CHECKSUM,
                                ENETJS_CONFIG_MTU,
                                ENETJS_CONFIG_DUPLICATE_PEERS,
                                ENETJS_CONFIG_MAXIMUM_PACKET_SIZE,
                                ENETJS_CONFIG_MAXIMUM_WAITING_DATA,
                                ENETJS_CONFIG_MAXIMUM_HOST_DATA,
                                ENETJS_CONFIG_STALL_LIMIT,
                                ENETJS_CONFIG_SPIN,
                                ENETJS_CONFIG_HIGH_WATER,
                                ENETJS_CONFIG_DATAGRAMS,
                                ENETJS_CONFIG_ACCEPT,
                                ENETJS_CONFIG_FILTER_REFUSES,
                                ENETJS_CONFIG_CONGESTION,
                                ENETJS_CONFIG_THROTTLE,
                                ENETJS_CONFIG_REMOTE_THROTTLE,
                                ENETJS_CONFIG_RECEIVE_BUFFER,
                                ENETJS_CONFIG_SEND_BUFFER};
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    int option = options[i];
    double result;
    if ((option == ENETJS_CONFIG_RECEIVE_BUFFER || option == ENETJS_CONFIG_SEND_BUFFER) && c[option] == 0)
      continue;
    result = host_option(h, option, c[option], 0);
    if (result < 0) return result;
  }
  return 0;
}

double enetjs_host_set(double host, double option, double value, double second) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_is_integer(option, 0, ENETJS_CONFIG_COUNT - 1))
    result = host_option(h, (int)option, value, second);
  enetjs_host_release(h);
  return result;
}
