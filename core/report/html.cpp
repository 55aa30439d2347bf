// SPDX-License-Identifier: Apache-2.0
#include "core/report/html.h"

#include "core/text/unicode.h"

namespace qs::report {

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

bool allowed(uint32_t c) {
    return (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') && c != 0x7F && c != 0xFFFE && c != 0xFFFF &&
           !(c >= 0x80 && c < 0xA0) && !(c >= 0x202A && c <= 0x202E) && !(c >= 0x2066 && c <= 0x2069);
}

} // namespace

std::string escape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
        const text::Decoded d = text::decodeUtf8(text, i);
        if (!d.valid || !allowed(uint32_t(d.value)))
            out += kReplacement;
        else if (d.value == '&')
            out += "&amp;";
        else if (d.value == '<')
            out += "&lt;";
        else if (d.value == '>')
            out += "&gt;";
        else if (d.value == '"')
            out += "&quot;";
        else if (d.value == '\'')
            out += "&#39;";
        else
            out += text.substr(i, d.length);
        i += d.length;
    }
    return out;
}

std::string base64(std::string_view bytes) {
    static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const size_t n = std::min<size_t>(3, bytes.size() - i);
        uint32_t v = 0;
        for (size_t k = 0; k < 3; ++k)
            v = v << 8 | (k < n ? uint8_t(bytes[i + k]) : 0u);
        for (size_t k = 0; k < 4; ++k)
            out += k <= n ? kDigits[v >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

std::string Table::html() const {
    std::string out = "<div class=\"scroll\"><table>\n<thead><tr>";
    for (const Column& c : columns_)
        out +=
            (c.numeric ? "<th class=\"n\" scope=\"col\">" : "<th scope=\"col\">") + escape(c.title) + "</th>";
    out += "</tr></thead>\n<tbody>\n";
    for (const auto& row : rows_) {
        out += "<tr>";
        for (size_t c = 0; c < columns_.size(); ++c)
            out += (columns_[c].numeric ? "<td class=\"n\">" : "<td>") + (c < row.size() ? row[c] : "") +
                   "</td>";
        out += "</tr>\n";
    }
    return out + "</tbody>\n</table></div>\n";
}

} // namespace qs::report
