// SPDX-License-Identifier: BSD-3-Clause
#include "rate.h"

static struct rate_bucket *find(struct rate *rate, const struct addr *address)
{
	struct rate_bucket *oldest = &rate->buckets[0];

	for (unsigned i = 0; i < RATE_BUCKETS; i++) {
		struct rate_bucket *bucket = &rate->buckets[i];

		if (bucket->used_ms && addr_compare(&bucket->address, address) == 0)
			return bucket;
		if (bucket->used_ms < oldest->used_ms)
			oldest = bucket;
	}
	*oldest = (struct rate_bucket){.address = *address, .left = 2.0 * rate->per_second};
	return oldest;
}

bool rate_take(struct rate *rate, const struct addr *address, unsigned cost, uint64_t now_ms)
{
	struct rate_bucket *bucket = find(rate, address);
	double most = 2.0 * rate->per_second;

	if (bucket->used_ms && now_ms > bucket->used_ms)
		bucket->left += (double)(now_ms - bucket->used_ms) * rate->per_second / 1000;
	if (bucket->left > most)
		bucket->left = most;
	bucket->used_ms = now_ms ? now_ms : 1;
	if (bucket->left < cost)
		return false;
	bucket->left -= cost;
	return true;
}
