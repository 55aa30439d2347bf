// SPDX-License-Identifier: Apache-2.0
#include "core/text/display.h"

#include "core/text/unicode.h"

#include <fmt/format.h>

namespace qs::text {

std::string visibleText(std::string_view bytes) {
    std::string out;
    for (size_t i = 0; i < bytes.size();) {
        const Decoded d = decodeUtf8(bytes, i);
        if (!d.valid) {
            for (unsigned k = 0; k < d.length; ++k)
                out += fmt::format("<0x{:02X}>", static_cast<unsigned char>(bytes[i + k]));
        } else if (d.value == ' ') {
            out += "\xE2\x90\xA3";
        } else if (d.value == '\n') {
            out += "\\n";
        } else if (d.value == '\t') {
            out += "\\t";
        } else if (d.value == '\r') {
            out += "\\r";
        } else if (isInvisible(d.value)) {
            out += fmt::format("<U+{:04X}>", uint32_t(d.value));
        } else {
            out += bytes.substr(i, d.length);
        }
        i += d.length;
    }
    return out;
}

} // namespace qs::text
