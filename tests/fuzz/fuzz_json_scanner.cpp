// SPDX-License-Identifier: Apache-2.0
// The strict scanner against nlohmann's parser: both accept the same texts (apart from a byte order mark, NUL
// and numbers beyond a double, where nlohmann's rules are its own), and strings decode alike.
#include "core/checkpoint/json_scanner.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace {

bool outOfRange(std::string_view text) {
    try {
        (void)nlohmann::json::parse(text);
    } catch (const nlohmann::json::out_of_range&) {
        return true;
    } catch (const nlohmann::json::exception&) {
    }
    return false;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (qs::findBadUtf8(text) != text.npos || text.starts_with("\xEF\xBB\xBF")) return 0;
    if (text.find('\0') != text.npos) return 0; // ends the text for nlohmann
    qs::JsonScanner scan(text);
    const bool ours = scan.skipValue(1000) && scan.atEnd();
    if (ours && scan.failed()) std::abort();
    if (scan.problem() == "nested too deeply") return 0;
    if (ours != nlohmann::json::accept(text) && !outOfRange(text)) std::abort();
    qs::JsonScanner again(text);
    std::string_view decoded;
    if (ours && again.consume('"')) {
        qs::JsonScanner fromStart(text);
        if (!fromStart.readString(decoded)) std::abort();
        if (nlohmann::json::parse(text).get<std::string>() != decoded) std::abort();
        if (nlohmann::json::parse(qs::quoteJson(decoded)).get<std::string>() != decoded) std::abort();
    }
    return 0;
}
