// SPDX-License-Identifier: BSD-3-Clause
#include "staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

// Serial numbers are an issuer's own. What its key hashes to needs its certificate, which may not
// be there; its name is always in this one.
static bool is_about(const OCSP_SINGLERESP *single, const X509 *certificate)
{
	const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
	unsigned char digest[EVP_MAX_MD_SIZE];
	ASN1_OCTET_STRING *name = NULL;
	ASN1_OBJECT *algorithm = NULL;
	ASN1_INTEGER *serial = NULL;
	unsigned length = 0;
	const EVP_MD *md;

	OCSP_id_get0_info(&name, &algorithm, NULL, &serial, (OCSP_CERTID *)(uintptr_t)id);
	md = EVP_get_digestbyobj(algorithm);
	return md && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) == 0 &&
	       X509_NAME_digest(X509_get_issuer_name(certificate), md, digest, &length) &&
	       ASN1_STRING_length(name) == (int)length &&
	       memcmp(ASN1_STRING_get0_data(name), digest, length) == 0;
}

static OCSP_SINGLERESP *find(OCSP_BASICRESP *basic, const X509 *certificate)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++)
		if (is_about(OCSP_resp_get0(basic, i), certificate))
			return OCSP_resp_get0(basic, i);
	return NULL;
}

static const char *look(OCSP_BASICRESP *basic, const X509 *certificate, int64_t *until)
{
	OCSP_SINGLERESP *single = find(basic, certificate);
	ASN1_GENERALIZEDTIME *next = NULL;
	struct tm parts;

	if (!single)
		return "is about another certificate";
	if (OCSP_single_get0_status(single, NULL, NULL, NULL, &next) != V_OCSP_CERTSTATUS_GOOD)
		return "says that the certificate is not good";
	*until = next && ASN1_TIME_to_tm(next, &parts) ? timegm(&parts) : INT64_MAX;
	return NULL;
}

const char *staple_mistake(const void *der, size_t length, const X509 *certificate, int64_t *until)
{
	const unsigned char *at = der;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)length);
	OCSP_BASICRESP *basic =
		response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
			? OCSP_response_get1_basic(response)
			: NULL;
	const char *wrong =
		basic ? look(basic, certificate, until) : "is no successful OCSP response in DER";

	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return wrong;
}
