// SPDX-License-Identifier: Apache-2.0
// How help pages look: wrapped descriptions, value names instead of type dumps.
#pragma once

#include <CLI/CLI.hpp>

namespace qs::cli {

class HelpFormatter : public CLI::Formatter {
public:
    HelpFormatter() { column_width(kNameColumn); }
    std::string make_option_name(const CLI::Option* option, bool positional) const override;
    std::string make_option_opts(const CLI::Option* option) const override;
    std::string make_option_desc(const CLI::Option* option) const override;

private:
    static constexpr size_t kNameColumn = 26, kLineWidth = 110;
};

} // namespace qs::cli
