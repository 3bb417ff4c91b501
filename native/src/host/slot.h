/**
 * @file slot.h
 * @brief What the library knows of one ENetPeer beyond ENet.
 *
 * A host has a slot for each ENetPeer, with the same index. Call with the host's lock held, except for
 * enetjs_slot_acquire, which takes it.
 */
#ifndef ENETJS_HOST_SLOT_H
#define ENETJS_HOST_SLOT_H

#include <enet/enet.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "enet/fast_retransmit.h"
#include "enet/handshake.h"
#include "enet/ping_barrier.h"
#include "enet/resend_disconnect.h"
#include "enet/round_trip.h"
#include "enet/throttle.h"
#include "enet/window.h"
#include "host/event.h"
#include "host/lanes.h"
#include "host/packet.h"
#include "wire/gaps.h"

/**
 * A message on its way to one peer. ENet sees the packet at its head and frees the whole block;
 * a payload of its own follows the struct.
 */
struct enetjs_outgoing {
  ENetPacket packet;
  struct enetjs_outgoing *next;
  struct enetjs_slot *slot;
  struct enetjs_packet *shared; /**< or NULL */
  uint32_t token;
  uint32_t number; /**< in the order of the calls */
  uint8_t channel;
};

/**
 * How a peer whose messages are refused is kept from timing out; see allowance.c. Times are ENet's, 0 for
 * none.
 */
struct enetjs_stall {
  enet_uint32 since; /**< when this message was first refused, or when the room for it was used up */
  enet_uint16 sequence;
  enet_uint8 channel;
  size_t admitted;    /**< bytes that were let in since */
  enet_uint32 pinged; /**< the last ping that took the place of what was refused */
};

/** For how long a peer has acknowledged nothing; see silence.c. */
struct enetjs_silence {
  uint32_t connect_id;
  uint8_t state;
  bool acknowledged; /**< a message was, since it was last looked at */
  uint8_t watched;   /**< how many commands have their acknowledgement awaited */
  struct {
    enet_uint16 sequence;
    enet_uint8 channel;
  } commands[4];
  enet_uint32 looked_at;
  uint64_t ms;
};

/** Datagrams in one direction. */
struct enetjs_traffic {
  uint64_t datagrams, bytes;
};

/** What is counted for the statistics of one connection. All zero at its beginning. */
struct enetjs_quality {
  struct enetjs_round_trip round_trip;
  struct enetjs_gaps gaps;
  struct enetjs_recent lost; /**< retransmitted commands, among all that were acknowledged or retransmitted */
  uint64_t retransmitted;
  enet_uint32 counted_lost;    /**< ENetPeer::packetsLost, when it was last added to `retransmitted` */
  uint64_t throttled;          /**< unreliable messages that ENet's throttle has dropped */
  uint64_t throttled_for_delay;
  uint64_t refused_datagrams;
  struct enetjs_traffic sent, received;
};

/** What this library knows of one ENetPeer; it has the same index. */
struct enetjs_slot {
  struct enetjs_host *host;
  uint32_t index;
  uint32_t generation; /**< of the current or next connection; counts up when one ends */
  bool outgoing;       /**< opened by enetjs_host_connect */
  bool connected;      /**< its connect event has been reported */
  bool tentative;      /**< of an attempt of this host: a refusal may still follow the server's answer */
  bool closing;        /**< this side asked for the end */
  bool close_later;    /**< disconnect once our own queue is empty */
  bool paused;
  bool denied;      /**< its datagrams are dropped */
  bool attempting;  /**< opened by enetjs_host_connect, and not established yet */
  bool unreachable; /**< the consumer knows of an ICMP message about the attempt */
  bool above_high_water;
  bool to_feed;                   /**< in the host's list of slots that may have something to feed to ENet */
  bool told_too_large;            /**< the consumer knows of a message that was refused for its size */
  bool undelivered;               /**< counted in ENETJS_HOST_STAT_UNDELIVERED_PEERS */
  bool stopped;                   /**< its messages are refused, because too many bytes are held */
  bool abandoned;                 /**< an attempt that is only to tell the other side that it is over */
  bool left_out;                  /**< of the broadcast under way */
  uint32_t close_data;            /**< data of the DISCONNECT */
  struct enetjs_remote remote;    /**< of the connection, once it is connected */
  struct enetjs_account *account; /**< of the connection that charged_connect_id tells, or NULL */
  enet_uint32 charged_connect_id;
  uint64_t charged_network; /**< of its address, see wire/endpoint.h */
  size_t waiting_commands; /**< messages that ENet has received and not delivered, at most */
  struct enetjs_stall stall;
  struct enetjs_silence silence;
  size_t held_bytes;                    /**< bytes of held messages of the connection, with overhead */
  size_t held_cost;                     /**< memory that these messages take */
  size_t queued_bytes, queued_messages; /**< in our queue and in ENet's */
  size_t inside_bytes, inside_messages; /**< in ENet's queue */
  /** bytes of reliable messages that ENet may still be given in this turn */
  size_t room;
  uint64_t sent_reliably;               /**< unreliable messages that were larger than a datagram */
  struct enetjs_quality quality;
  struct enetjs_lanes lanes; /**< our queue */
  struct enetjs_window window;
  bool is_far;               /**< the window follows the link, see flow.c */
  bool flows;                /**< in the host's list of flows, see flow.c */
  struct enetjs_slot *next_flow;
  struct enetjs_ping_barriers ping_barriers;
  struct enetjs_throttle throttle;
  struct enetjs_fast_retransmit fast;
  struct enetjs_handshake handshake;
  struct enetjs_held_list held; /**< messages of a paused peer */
  atomic_size_t listed_bytes;   /**< of packets of this peer that count towards the host */
  bool to_look_at; /**< in the host's list of peers that may have lost messages */
  struct enetjs_slot *next_to_feed, *next_to_look_at;
};

/** @returns the slot of a connection, or NULL when the connection has ended */
struct enetjs_slot *enetjs_slot_find(struct enetjs_host *h, double peer);
/** Locks the host and finds the connection. @returns the slot, or NULL, unlocked, with the code in *error */
struct enetjs_slot *enetjs_slot_acquire(double host, double peer, double *error);
/** Unlocks the host. @returns the result */
double enetjs_slot_finish(struct enetjs_slot *slot, double result);
bool enetjs_slot_sends(const struct enetjs_slot *slot); /**< whether messages can be queued */
void enetjs_slot_connected(struct enetjs_slot *slot, uint32_t data);
/** The server has sent a command that shows that it has accepted the attempt. */
void enetjs_slot_confirm(struct enetjs_slot *slot);
void enetjs_slot_end(struct enetjs_slot *slot, uint32_t reason, uint32_t data);

uint32_t enetjs_slot_state(const struct enetjs_slot *slot); /**< an ENetPeerState */
void enetjs_slots_check_shutdown(struct enetjs_host *h);    /**< tells the consumer once no peer is left */

#endif
