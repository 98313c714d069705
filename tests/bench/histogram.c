// SPDX-License-Identifier: BSD-3-Clause
// Reading the histogram; see histogram.h.
#include "histogram.h"

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)((double)histogram->samples * share), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen > wanted) {
			unsigned shift = i / HISTOGRAM_STEPS;

			if (shift < 2)
				return i;
			return (uint64_t)(HISTOGRAM_STEPS + i % HISTOGRAM_STEPS) << (shift - 1);
		}
	}
	return 0;
}
