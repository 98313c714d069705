// SPDX-License-Identifier: BSD-3-Clause
#include "http_date.h"

#include "h1_write.h"

#include <string.h>

struct civil {
	int64_t year;
	unsigned month, day, weekday; // month from 1; weekday from Thursday, which 1970 began with
	unsigned hour, minute, second;
};

// Years are counted from March, so that the leap day is the last of its year, in eras of 400 years.
static struct civil civil_of(int64_t seconds)
{
	int64_t day = seconds / 86400, rest = seconds % 86400;
	int64_t since = day + 719468; // days from 0000-03-01
	int64_t of_era = since % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; // from March

	return (struct civil){
		.year = year + since / 146097 * 400 + (month >= 10),
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
		.weekday = (unsigned)(day % 7),
		.hour = (unsigned)(rest / 3600),
		.minute = (unsigned)(rest / 60 % 60),
		.second = (unsigned)(rest % 60),
	};
}

static void put_two(char *out, unsigned value)
{
	out[0] = (char)('0' + value / 10 % 10);
	out[1] = (char)('0' + value % 10);
}

void h1_date(int64_t seconds, char out[static 29])
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct civil at = civil_of(seconds);

	memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", 29);
	memcpy(out, days + at.weekday * 3, 3);
	put_two(out + 5, at.day);
	memcpy(out + 8, months + (at.month - 1) * 3, 3);
	put_two(out + 12, (unsigned)(at.year / 100));
	put_two(out + 14, (unsigned)(at.year % 100));
	put_two(out + 17, at.hour);
	put_two(out + 20, at.minute);
	put_two(out + 23, at.second);
}

void http_timestamp(int64_t us, char out[static 27])
{
	struct civil at = civil_of(us / 1000000);
	unsigned rest = (unsigned)(us % 1000000);

	memcpy(out, "1970-01-01T00:00:00.000000Z", 27);
	put_two(out, (unsigned)(at.year / 100));
	put_two(out + 2, (unsigned)(at.year % 100));
	put_two(out + 5, at.month);
	put_two(out + 8, at.day);
	put_two(out + 11, at.hour);
	put_two(out + 14, at.minute);
	put_two(out + 17, at.second);
	put_two(out + 20, rest / 10000);
	put_two(out + 22, rest / 100 % 100);
	put_two(out + 24, rest % 100);
}
