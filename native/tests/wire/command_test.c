/* Where commands end, compared with ENet's own table and with the fields of its structures. */
#include "wire/command.h"

#include <string.h>

#include "../harness.h"

/* Written here once more, by ENet's structures. */
static bool carries_data(unsigned kind) {
  return kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE || kind == ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE ||
         kind == ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED || kind == ENET_PROTOCOL_COMMAND_SEND_FRAGMENT ||
         kind == ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT;
}

static void set_data_length(ENetProtocol *command, unsigned kind, enet_uint16 length) {
  length = ENET_HOST_TO_NET_16(length);
  if (kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE)
    command->sendReliable.dataLength = length;
  else if (kind == ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE)
    command->sendUnreliable.dataLength = length;
  else if (kind == ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED)
    command->sendUnsequenced.dataLength = length;
  else if (carries_data(kind))
    command->sendFragment.dataLength = length;
}

TEST(every_kind_ends_where_enet_says) {
  for (unsigned kind = 1; kind < ENET_PROTOCOL_COMMAND_COUNT; kind++) {
    union {
      ENetProtocol protocol;
      enet_uint8 bytes[sizeof(ENetProtocol) + 300];
    } datagram;
    size_t size = enet_protocol_command_size((enet_uint8)kind), data = carries_data(kind) ? 258 : 0;
    struct enetjs_command command = {0};
    memset(&datagram, 0xFF, sizeof(datagram)); /* all flags, too */
    datagram.protocol.header.command = (enet_uint8)(kind | ~ENET_PROTOCOL_COMMAND_MASK);
    set_data_length(&datagram.protocol, kind, (enet_uint16)data);
    for (size_t length = 0; length < size + data; length++)
      CHECK(!enetjs_command_read(datagram.bytes, length, &command));
    for (size_t length = size + data; length <= sizeof(datagram); length++)
      CHECK(enetjs_command_read(datagram.bytes, length, &command));
    CHECK_EQ_INT(command.kind, kind);
    CHECK_EQ_INT(command.length, size + data);
    CHECK_EQ_INT(command.data_length, data);
    CHECK_EQ_INT(command.has_data, carries_data(kind));
    CHECK(command.protocol == &datagram.protocol);
  }
}

TEST(other_kinds_are_none) {
  enet_uint8 bytes[ENET_PROTOCOL_MAXIMUM_MTU] = {0};
  struct enetjs_command command;
  CHECK(!enetjs_command_read(bytes, sizeof(bytes), &command));
  for (unsigned kind = ENET_PROTOCOL_COMMAND_COUNT; kind <= ENET_PROTOCOL_COMMAND_MASK; kind++) {
    bytes[0] = (enet_uint8)kind;
    CHECK(!enetjs_command_read(bytes, sizeof(bytes), &command));
  }
}

TEST(a_message_begins_once) {
  ENetProtocol protocol = {0};
  struct enetjs_command command;
  enet_uint8 *bytes = (enet_uint8 *)&protocol;
  protocol.header.command = ENET_PROTOCOL_COMMAND_SEND_FRAGMENT;
  CHECK(enetjs_command_read(bytes, sizeof(protocol), &command) && enetjs_command_begins_message(&command));
  protocol.sendFragment.fragmentNumber = ENET_HOST_TO_NET_32(1 << 16);
  CHECK(enetjs_command_read(bytes, sizeof(protocol), &command) && !enetjs_command_begins_message(&command));
  protocol.header.command = ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT;
  CHECK(enetjs_command_read(bytes, sizeof(protocol), &command) && !enetjs_command_begins_message(&command));
  protocol.header.command = ENET_PROTOCOL_COMMAND_SEND_RELIABLE;
  CHECK(enetjs_command_read(bytes, sizeof(protocol), &command) && enetjs_command_begins_message(&command));
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(every_kind_ends_where_enet_says),
      TEST_CASE(other_kinds_are_none),
      TEST_CASE(a_message_begins_once),
  };
  return test_run(cases, TEST_COUNT(cases));
}
