// SPDX-License-Identifier: Apache-2.0
// HTML text from values that nobody vetted: names of files, tensors and tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qs::report {

/// For element content and quoted attributes: & < > " ' become entities; control characters, those that turn
/// the direction of what follows, U+FFFE, U+FFFF and bytes that are not UTF-8 become U+FFFD.
std::string escape(std::string_view text);

/// Bytes as base64 (RFC 4648, section 4, padded).
std::string base64(std::string_view bytes);

/// A table: header cells, then rows. Cells are HTML already; columns in `numeric` are right-aligned.
class Table {
public:
    struct Column {
        std::string title; ///< plain text
        bool numeric = false;
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    /// One cell per column, HTML.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    bool empty() const { return rows_.empty(); }
    std::string html() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace qs::report
