// SPDX-License-Identifier: BSD-3-Clause
// The date of HTTP (RFC 9110 section 5.6.7), without the C library's time zones and locks.
#include "h1_write.h"

#include <string.h>

static void put_two(char *out, int64_t value)
{
	out[0] = (char)('0' + value / 10 % 10);
	out[1] = (char)('0' + value % 10);
}

// Days since 1970-01-01 as a date: years are counted from March, so that the leap day is the last
// of its year, in eras of 400 years.
void h1_date(int64_t seconds, char out[static 29])
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	int64_t day = seconds / 86400, rest = seconds % 86400;
	int64_t since = day + 719468; // days from 0000-03-01
	int64_t of_era = since % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; // from March

	year += since / 146097 * 400 + (month >= 10);
	memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", 29);
	memcpy(out, days + day % 7 * 3, 3);
	put_two(out + 5, of_year - (153 * month + 2) / 5 + 1);
	memcpy(out + 8, months + month * 3, 3);
	put_two(out + 12, year / 100);
	put_two(out + 14, year);
	put_two(out + 17, rest / 3600);
	put_two(out + 20, rest / 60 % 60);
	put_two(out + 23, rest % 60);
}
