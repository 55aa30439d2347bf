// SPDX-License-Identifier: Apache-2.0
#include "app/cli/help.h"

namespace qs::cli {

namespace {

/// Breaks at spaces; CLI11 indents the lines that follow a line break.
std::string wrapped(const std::string& text, size_t width) {
    std::string out;
    size_t used = 0;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find(' ', begin), text.size());
        const size_t length = end - begin;
        if (used > 0) {
            out += used + 1 + length > width ? '\n' : ' ';
            used = out.back() == '\n' ? 0 : used + 1;
        }
        out += text.substr(begin, length);
        used += length;
        begin = end + 1;
    }
    return out;
}

} // namespace

std::string HelpFormatter::make_option_name(const CLI::Option* option, bool positional) const {
    // Flags are listed by CLI11 with the values they set: --act-order{true},--no-act-order{false}.
    std::string out;
    bool braces = false;
    for (const char c : CLI::Formatter::make_option_name(option, positional)) {
        if (c == '{') braces = true;
        if (!braces) out += c;
        if (c == '}') braces = false;
    }
    return out;
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
    if (option->get_items_expected_max() == 0) return "";
    // "TEXT:{rtn,gptq}" is CLI11's name for a checked type; the choices belong to the description.
    std::string type = option->get_type_name();
    type = type.substr(0, type.find(':'));
    if (type == "UINT") type = "INT";
    return option->get_positional() ? "" : " " + type;
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
    std::string text = option->get_description();
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    if (option->get_required() && !option->get_positional()) text += " (required)";
    return wrapped(text, kLineWidth - kNameColumn);
}

} // namespace qs::cli
