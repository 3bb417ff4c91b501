/**
 * @file command.h
 * @brief The commands of a datagram of ENet's protocol: where each begins and ends, and what data follows it.
 *
 * Everything that reads commands reads them here, so that all agree with ENet, and with each other, on where
 * one ends. Pure functions: any thread may call them.
 */
#ifndef ENETJS_COMMAND_H
#define ENETJS_COMMAND_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/datagram.h"

/** Of commands that belong to no channel, such as pings. */
#define ENETJS_PEER_CHANNEL 0xFF

struct enetjs_command {
  ENetProtocol *protocol; /**< in the datagram, in network byte order; only as long as its kind is */
  unsigned kind;          /**< ENET_PROTOCOL_COMMAND_…, without flags */
  bool has_data;          /**< it carries a message or a part of one, which may be empty */
  size_t data_length;
  size_t length; /**< with its data */
};

/**
 * How long commands of a kind are, and where the length of their data is: 0 in those without. Size 0: no such
 * kind.
 */
struct enetjs_command_form {
  enet_uint8 size, data_length_at;
};
extern const struct enetjs_command_form enetjs_command_forms[ENET_PROTOCOL_COMMAND_MASK + 1];

/**
 * Reads the command at the beginning of some bytes.
 * @returns false where ENet would read no further: there is none, it is of no known kind, or it or its data
 * is cut
 */
static inline bool enetjs_command_read(enet_uint8 *bytes, size_t length, struct enetjs_command *command) {
  const struct enetjs_command_form *form;
  if (length < sizeof(ENetProtocolCommandHeader)) return false;
  command->kind = bytes[0] & ENET_PROTOCOL_COMMAND_MASK;
  form = &enetjs_command_forms[command->kind];
  if (form->size == 0 || form->size > length) return false;
  command->protocol = (ENetProtocol *)bytes;
  command->has_data = form->data_length_at > 0;
  command->data_length =
      command->has_data ? (size_t)bytes[form->data_length_at] << 8 | bytes[form->data_length_at + 1] : 0;
  command->length = form->size + command->data_length;
  return command->length <= length;
}

/** The first command of an opened datagram. @returns false when it has none */
static inline bool enetjs_command_first(const struct enetjs_datagram *datagram,
                                        struct enetjs_command *command) {
  return enetjs_command_read(datagram->bytes + datagram->header_bytes,
                             datagram->length - datagram->header_bytes, command);
}

/** Whether a command with data is the only or the first part of its message. */
static inline bool enetjs_command_begins_message(const struct enetjs_command *command) {
  return (command->kind != ENET_PROTOCOL_COMMAND_SEND_FRAGMENT &&
          command->kind != ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT) ||
         command->protocol->sendFragment.fragmentNumber == 0;
}

#endif
