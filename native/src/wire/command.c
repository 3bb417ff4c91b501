#include "wire/command.h"

#define WITHOUT_DATA(type) {sizeof(type), 0}
#define WITH_DATA(type) {sizeof(type), offsetof(type, dataLength)}

const struct enetjs_command_form enetjs_command_forms[ENET_PROTOCOL_COMMAND_MASK + 1] = {
    [ENET_PROTOCOL_COMMAND_ACKNOWLEDGE] = WITHOUT_DATA(ENetProtocolAcknowledge),
    [ENET_PROTOCOL_COMMAND_CONNECT] = WITHOUT_DATA(ENetProtocolConnect),
    [ENET_PROTOCOL_COMMAND_VERIFY_CONNECT] = WITHOUT_DATA(ENetProtocolVerifyConnect),
    [ENET_PROTOCOL_COMMAND_DISCONNECT] = WITHOUT_DATA(ENetProtocolDisconnect),
    [ENET_PROTOCOL_COMMAND_PING] = WITHOUT_DATA(ENetProtocolPing),
    [ENET_PROTOCOL_COMMAND_SEND_RELIABLE] = WITH_DATA(ENetProtocolSendReliable),
    [ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE] = WITH_DATA(ENetProtocolSendUnreliable),
    [ENET_PROTOCOL_COMMAND_SEND_FRAGMENT] = WITH_DATA(ENetProtocolSendFragment),
    [ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED] = WITH_DATA(ENetProtocolSendUnsequenced),
    [ENET_PROTOCOL_COMMAND_BANDWIDTH_LIMIT] = WITHOUT_DATA(ENetProtocolBandwidthLimit),
    [ENET_PROTOCOL_COMMAND_THROTTLE_CONFIGURE] = WITHOUT_DATA(ENetProtocolThrottleConfigure),
    [ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT] = WITH_DATA(ENetProtocolSendFragment),
};
