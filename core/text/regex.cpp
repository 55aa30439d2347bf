// SPDX-License-Identifier: Apache-2.0
#include "core/text/regex.h"

#include "core/text/fast_split.h"
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <oniguruma.h>

#include <algorithm>
#include <mutex>

namespace qs::text {

namespace {

constexpr size_t kMaxPatternBytes = 65536;
// Ten million steps is Oniguruma's own default per starting position; the other two it leaves unlimited.
constexpr unsigned long kMaxStepsPerMatch = 10'000'000;
constexpr unsigned long kMaxStepsPerSearch = 100'000'000;
constexpr unsigned kMaxStackEntries = 16'000'000;

std::string onigMessage(int code, OnigErrorInfo* info = nullptr) {
    OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN] = {};
    const int n = info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
    return {reinterpret_cast<const char*>(text), size_t(std::max(n, 0))};
}

// Oniguruma fills tables on first use; its compiler is not promised to be reentrant.
std::mutex& compileMutex() {
    static std::mutex mutex;
    return mutex;
}

struct Searcher {
    OnigRegion* region = onig_region_new();
    OnigMatchParam* param = onig_new_match_param();
    Searcher() {
        onig_initialize_match_param(param);
        onig_set_retry_limit_in_match_of_match_param(param, kMaxStepsPerMatch);
        onig_set_retry_limit_in_search_of_match_param(param, kMaxStepsPerSearch);
        onig_set_match_stack_limit_size_of_match_param(param, kMaxStackEntries);
    }
    ~Searcher() {
        onig_region_free(region, 1);
        onig_free_match_param(param);
    }
    Searcher(const Searcher&) = delete;
    Searcher& operator=(const Searcher&) = delete;
};

} // namespace

Pattern::Compiled::~Compiled() {
    if (regex) onig_free(regex);
}

Result<Pattern> Pattern::regex(const std::string& expression, const std::string& where) {
    if (expression.size() > kMaxPatternBytes)
        return Error::unsupported(fmt::format("a pattern may have at most {} bytes, this one has {}",
                                              kMaxPatternBytes, expression.size()),
                                  where);
    const std::lock_guard lock(compileMutex());
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    if (const int rc = onig_initialize(encodings, 1); rc != ONIG_NORMAL)
        return Error::internal("cannot start Oniguruma: " + onigMessage(rc), where);
    const auto* begin = reinterpret_cast<const OnigUChar*>(expression.data());
    auto compiled = std::make_shared<Compiled>();
    OnigErrorInfo info{};
    const int rc = onig_new(&compiled->regex, begin, begin + expression.size(), ONIG_OPTION_NONE,
                            ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
    if (rc != ONIG_NORMAL) {
        compiled->regex = nullptr;
        return Error::unsupported(
            fmt::format("regular expression '{}': {}", expression, onigMessage(rc, &info)), where);
    }
    Pattern p;
    p.source_ = expression;
    p.where_ = where;
    p.compiled_ = std::move(compiled);
    if (const auto fast = FastSplitter::of(expression)) p.fast_ = std::make_shared<const FastSplitter>(*fast);
    return p;
}

Result<Pattern> Pattern::literal(const std::string& text, const std::string& where) {
    // An empty literal matches between all characters, as the empty expression does.
    if (text.empty()) return regex(text, where);
    Pattern p;
    p.source_ = text;
    p.where_ = where;
    return p;
}

Result<Pattern> Pattern::fromJson(const nlohmann::json& value, const std::string& where) {
    if (value.is_string()) return literal(value.get<std::string>(), where);
    if (value.is_object() && value.size() == 1) {
        const auto it = value.begin();
        if (it.value().is_string()) {
            if (it.key() == "String") return literal(it.value().get<std::string>(), where);
            if (it.key() == "Regex") return regex(it.value().get<std::string>(), where);
        }
    }
    return Error::corrupt("a pattern is {\"String\": \"...\"} or {\"Regex\": \"...\"}", where);
}

Result<void> Pattern::findAll(std::string_view text, std::vector<Stretch>& out) const {
    if (text.empty()) return {};
    if (fast_)
        fast_->split(text, out);
    else if (compiled_)
        return findRegex(text, out);
    else
        findLiteral(text, out);
    return {};
}

void Pattern::findLiteral(std::string_view text, std::vector<Stretch>& out) const {
    size_t done = 0;
    for (size_t at = text.find(source_); at != std::string_view::npos; at = text.find(source_, done)) {
        if (at > done) out.push_back({done, at, false});
        done = at + source_.size();
        out.push_back({at, done, true});
    }
    if (done < text.size()) out.push_back({done, text.size(), false});
}

Result<void> Pattern::findRegex(std::string_view text, std::vector<Stretch>& out) const {
    Searcher search;
    if (!search.region || !search.param)
        return Error{ErrorCode::OutOfMemory, "no memory for a match", where_};
    const auto* base = reinterpret_cast<const OnigUChar*>(text.data());
    const auto* end = base + text.size();
    size_t done = 0, from = 0;
    bool matched = false;
    while (from <= text.size()) {
        const int rc = onig_search_with_param(compiled_->regex, base, end, base + from, end, search.region,
                                              ONIG_OPTION_NONE, search.param);
        if (rc == ONIG_MISMATCH) break;
        if (rc < 0)
            return Error::unsupported(fmt::format("regular expression '{}' gave up at byte {} of a text: {}",
                                                  source_, from, onigMessage(rc)),
                                      where_);
        const size_t b = size_t(search.region->beg[0]), e = size_t(search.region->end[0]);
        // \K in a look-ahead can put the start after the end.
        if (b < done || e < b || e > text.size())
            return Error::unsupported(
                fmt::format("regular expression '{}' gives a match that runs backwards", source_), where_);
        if (b == e && matched && b == done) {
            from += from < text.size() ? utf8Length(text, from) : 1;
            continue;
        }
        if (b > done) out.push_back({done, b, false});
        out.push_back({b, e, true});
        done = from = e;
        matched = true;
    }
    if (done < text.size()) out.push_back({done, text.size(), false});
    return {};
}

} // namespace qs::text
