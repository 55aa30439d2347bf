// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/path_pattern.h"

#include <cctype>

namespace qs {

namespace {

class Matcher {
public:
    Matcher(std::string_view pattern, std::string_view path, uint64_t& budget)
        : pattern_(pattern)
        , path_(path)
        , budget_(budget)
        , failed_((pattern.size() + 1) * (path.size() + 1))
        , stars_(pathStars(pattern)) {
        spend(failed_.size() / 64 + 1);
    }

    std::optional<std::vector<std::string>> run() {
        if (!match(0, 0, 0)) return std::nullopt;
        return std::move(stars_);
    }

private:
    bool spend(uint64_t steps) {
        budget_ -= std::min(budget_, steps);
        return budget_ > 0;
    }

    /// The rest of the pattern from p on matches the rest of the path from t on; `star` of the stars are
    /// behind. Every pair (p, t) is tried once.
    bool match(size_t p, size_t t, size_t star) {
        if (p == pattern_.size()) return t == path_.size();
        const size_t state = p * (path_.size() + 1) + t;
        if (failed_[state] || !spend(1)) return false;
        const bool ok =
            pattern_[p] == '*' ? matchStar(p, t, star) : matchOne(p, t) && match(p + 1, t + 1, star);
        failed_[state] = !ok;
        return ok;
    }

    bool matchOne(size_t p, size_t t) const {
        if (t == path_.size()) return false;
        return pattern_[p] == '?' ? path_[t] != '/' : pattern_[p] == path_[t];
    }

    bool matchStar(size_t p, size_t t, size_t star) {
        const bool any = pattern_.substr(p).starts_with("**");
        const size_t next = p + (any ? 2 : 1);
        const bool wholeParts = any && next < pattern_.size() && pattern_[next] == '/';
        if (wholeParts && match(next + 1, t, star + 1))
            return true; // stands for no part: stars_ is empty there
        for (size_t end = t; spend(1); ++end) {
            if (match(next, end, star + 1)) {
                stars_[star] = path_.substr(t, end - t);
                return true;
            }
            if (end == path_.size() || (!any && path_[end] == '/')) return false;
        }
        return false;
    }

    std::string_view pattern_, path_;
    uint64_t& budget_;
    std::vector<bool> failed_;
    std::vector<std::string> stars_;
};

} // namespace

size_t pathStars(std::string_view pattern) {
    size_t count = 0;
    for (size_t i = 0; i < pattern.size(); ++i)
        if (pattern[i] == '*') {
            ++count;
            if (pattern.substr(i).starts_with("**")) ++i;
        }
    return count;
}

std::optional<std::vector<std::string>> matchPath(std::string_view pattern, std::string_view path,
                                                  uint64_t& budget) {
    return Matcher(pattern, path, budget).run();
}

std::optional<std::string> fillIn(std::string_view text, const std::vector<std::string>& stars) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool place = text[i] == '{' && i + 2 < text.size() && text[i + 2] == '}' &&
                           std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0;
        if (!place) {
            out += text[i];
            continue;
        }
        const size_t n = size_t(text[i + 1] - '0');
        if (n < 1 || n > stars.size()) return std::nullopt;
        out += stars[n - 1];
        i += 2;
    }
    return out;
}

} // namespace qs
