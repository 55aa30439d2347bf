// SPDX-License-Identifier: Apache-2.0
// A strict pull scanner over JSON text (RFC 8259) for headers with hundreds of thousands of keys: no tree, no
// allocation per value, every key seen (so that duplicates can be refused), hostile input expected. For small
// files use nlohmann::json.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace qs {

/// The first byte that is not part of well-formed UTF-8 (overlong forms and surrogates are not), or npos.
size_t findBadUtf8(std::string_view text);

/// `text` as a quoted JSON string. Precondition: well-formed UTF-8.
std::string quoteJson(std::string_view text);

/// Every function returns false once something is wrong; `problem()` and `offset()` then say what and where.
/// Not thread-safe. `text` must be well-formed UTF-8 and outlive the scanner.
class JsonScanner {
public:
    explicit JsonScanner(std::string_view text)
        : begin_(text.data()), p_(begin_), end_(begin_ + text.size()) {}

    /// Skips white space, then takes `c` if it comes next.
    bool consume(char c);
    /// The same, but it is an error when something else comes.
    bool expect(char c);
    /// A string. The view is into the text, or into a buffer that the next readString() overwrites.
    bool readString(std::string_view& out);
    /// An integer 0 .. 2^63 without sign, fraction or exponent.
    bool readUnsigned(uint64_t& out);
    /// Any value whose arrays and objects nest at most `maxDepth` deep. Its object keys may repeat.
    bool skipValue(int maxDepth);
    /// After a member or element: true when another follows the comma, false at `closer` or on an error (see
    /// failed()).
    bool more(char closer);
    /// True when only white space is left.
    bool atEnd();

    bool fail(std::string problem);
    bool failed() const { return !problem_.empty(); }
    const std::string& problem() const { return problem_; }
    size_t offset() const { return size_t(p_ - begin_); }
    /// The problem as Error::corrupt with the byte offset.
    Error error(const std::string& where) const;

private:
    void skipSpace();
    std::string nextForMessage() const;
    bool readEscapes(const char* start, std::string_view& out);
    bool readEscape();
    bool readHex4(uint32_t& out);
    bool skipNumber();
    bool skipLiteral(std::string_view literal);
    bool skipContainer(char closer, int maxDepth);

    const char* begin_;
    const char* p_;
    const char* end_;
    std::string scratch_;
    std::string problem_;
};

} // namespace qs
