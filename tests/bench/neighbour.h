// SPDX-License-Identifier: BSD-3-Clause
// The generator's share of ARP (RFC 826) and neighbour discovery (RFC 4861): it answers for its two
// addresses on the link, and asks for the VIP. Nothing is configured by hand on either side.
#pragma once

#include "frame.h"

// An ARP request or neighbour solicitation for one of net->peer becomes its answer, in place; its
// length is returned, or 0 when it is nothing of the kind.
uint16_t frame_answer_neighbour(uint8_t *frame, uint16_t length, const struct net *net);
// A request for the VIP's MAC; its length.
uint16_t frame_ask_neighbour(uint8_t *frame, const struct net *net);
// Does this frame tell the VIP's MAC? Then it is kept in net->box.
bool frame_learn_neighbour(const uint8_t *frame, uint16_t length, struct net *net);
