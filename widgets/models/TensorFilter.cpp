// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/TensorFilter.h"

#include <QStringMatcher>
#include <algorithm>

namespace qs::ui {

// --- NameIndex ---

void NameIndex::clear() {
    m_text.clear();
    m_ends.clear();
}

void NameIndex::append(const QString& name) {
    m_text += name.toLower().replace(QLatin1Char('\n'), QLatin1Char(' '));
    m_text += QLatin1Char('\n');
    m_ends.push_back(m_text.size());
}

QStringView NameIndex::at(size_t row) const {
    const qsizetype begin = row == 0 ? 0 : m_ends[row - 1];
    return QStringView(m_text).mid(begin, m_ends[row] - 1 - begin);
}

// --- What a filter asks ---

namespace {

using Pattern = QRegularExpression;

bool inOrder(const QStringList& parts, QStringView name) {
    qsizetype from = 0;
    for (const QString& part : parts) {
        const qsizetype at = name.indexOf(part, from);
        if (at < 0) return false;
        from = at + part.size();
    }
    return true;
}

/// The first match at or after `from`, which must not be in the middle of a surrogate pair.
QRegularExpressionMatch find(const Pattern& pattern, QStringView text, qsizetype from = 0,
                             Pattern::MatchOptions options = Pattern::NoMatchOption) {
#if QT_VERSION >= QT_VERSION_CHECK(6, 5, 0)
    return pattern.matchView(text, from, Pattern::NormalMatch, options);
#else
    return pattern.match(text, from, Pattern::NormalMatch, options);
#endif
}

/// True when no part of the expression can match a line end or look across one: a search over many lines
/// then finds in each line what it would find there alone. Says no when in doubt.
bool staysInLine(const QString& pattern) {
    const auto at = [&](qsizetype i) { return i < pattern.size() ? pattern[i].unicode() : u'\0'; };
    for (qsizetype i = 0; i < pattern.size(); ++i) {
        const char16_t c = at(i), next = at(i + 1);
        if (c < u' ') return false;
        if (c == u'\\') {
            const bool letterOrDigit = next < 128 && QChar(next).isLetterOrNumber();
            if (letterOrDigit && !QStringView(u"bdwS").contains(QChar(next))) return false;
            ++i;
        } else if (c == u'[' && (next == u'^' || next == u':')) {
            return false; // "not these", and classes such as [:space:]
        } else if (c == u'(' && (next == u'*' || (next == u'?' && at(i + 2) != u':'))) {
            return false; // verbs, look-around, options
        }
    }
    return true;
}

/// Clears what no name of the text matches.
void keepMatches(std::vector<char>& rows, const NameIndex& names, const Pattern& lines) {
    // The text is well formed or not, once for all: not to be looked at again in every call.
    const Pattern::MatchOptions options = Pattern::DontCheckSubjectStringMatchOption;
    size_t row = 0;
    for (qsizetype from = 0; from < names.text().size(); from = names.endOf(row++)) {
        const auto match = find(lines, names.text(), from, options);
        const qsizetype at = match.hasMatch() ? match.capturedStart() : names.text().size();
        for (; row < names.size() && names.endOf(row) <= at; ++row)
            rows[row] = 0;
        if (row == names.size()) return;
    }
}

/// Clears what does not hold the parts, one after the other.
void keepWords(std::vector<char>& rows, const NameIndex& names, const QStringList& parts) {
    if (parts.isEmpty()) return;
    // The longest part is the rarest, as a rule: it is looked for first, in all names at once.
    const auto longest = std::max_element(
        parts.begin(), parts.end(), [](const QString& a, const QString& b) { return a.size() < b.size(); });
    const QStringMatcher matcher(*longest);
    size_t row = 0;
    for (qsizetype from = 0; from < names.text().size(); from = names.endOf(row++)) {
        const qsizetype found = matcher.indexIn(names.text(), from);
        const qsizetype at = found < 0 ? names.text().size() : found;
        for (; row < names.size() && names.endOf(row) <= at; ++row)
            rows[row] = 0;
        if (row == names.size()) return;
        if (parts.size() > 1 && rows[row] && !inOrder(parts, names.at(row))) rows[row] = 0;
    }
}

} // namespace

// --- TensorFilter ---

TensorFilter::TensorFilter(const QString& text, bool regex) {
    const QString trimmed = text.trimmed();
    m_empty = trimmed.isEmpty();
    if (m_empty) return;
    if (regex) {
        addExpression(trimmed);
        return;
    }
    for (const QString& word : trimmed.toLower().split(QLatin1Char(' '), Qt::SkipEmptyParts))
        addWord(word);
}

void TensorFilter::addWord(const QString& word) {
    static const Pattern range(QStringLiteral("^(\\d{1,6})\\.\\.(\\d{1,6})$"));
    const auto blocks = range.match(word);
    if (blocks.hasMatch()) {
        m_blocks.push_back({blocks.captured(1).toInt(), blocks.captured(2).toInt()});
        return;
    }
    // `*` alone needs no regular expression: the parts between must follow each other.
    if (!word.contains(QLatin1Char('?'))) {
        m_words.push_back(word.split(QLatin1Char('*'), Qt::SkipEmptyParts));
        return;
    }
    QString pattern;
    for (const QChar c : word) {
        if (c == QLatin1Char('*'))
            pattern += QStringLiteral(".*");
        else if (c == QLatin1Char('?'))
            pattern += QLatin1Char('.');
        else
            pattern += Pattern::escape(QString(c));
    }
    addExpression(pattern);
}

void TensorFilter::addExpression(const QString& pattern) {
    Expression e{Pattern(pattern, Pattern::CaseInsensitiveOption), {}};
    if (!e.one.isValid()) {
        m_error = QStringLiteral("%1 (at %2)").arg(e.one.errorString()).arg(e.one.patternErrorOffset());
        return;
    }
    e.one.optimize();
    if (staysInLine(pattern)) {
        e.all = Pattern(pattern, Pattern::CaseInsensitiveOption | Pattern::MultilineOption |
                                     Pattern::DontCaptureOption);
        e.all.optimize();
    }
    m_expressions.push_back(e);
}

bool TensorFilter::blockMatches(int block) const {
    return std::all_of(m_blocks.begin(), m_blocks.end(),
                       [block](const auto& range) { return block >= range.first && block <= range.second; });
}

bool TensorFilter::matches(QStringView lowerName, int block) const {
    if (m_empty) return true;
    if (!m_error.isEmpty() || !blockMatches(block)) return false;
    const auto holds = [&](const QStringList& word) { return inOrder(word, lowerName); };
    const auto fits = [&](const Expression& e) { return find(e.one, lowerName).hasMatch(); };
    return std::all_of(m_words.begin(), m_words.end(), holds) &&
           std::all_of(m_expressions.begin(), m_expressions.end(), fits);
}

std::vector<char> TensorFilter::matching(const NameIndex& names,
                                         const std::function<int(size_t row)>& blockOf) const {
    std::vector<char> rows(names.size(), m_error.isEmpty() ? 1 : 0);
    if (m_empty || !m_error.isEmpty()) return rows;
    for (size_t r = 0; r < rows.size() && !m_blocks.isEmpty(); ++r)
        rows[r] = blockMatches(blockOf(r));
    for (const QStringList& word : m_words)
        keepWords(rows, names, word);
    const bool wellFormed = m_expressions.isEmpty() || QStringView(names.text()).isValidUtf16();
    for (const Expression& e : m_expressions) {
        if (wellFormed && !e.all.pattern().isEmpty()) {
            keepMatches(rows, names, e.all);
            continue;
        }
        for (size_t r = 0; r < rows.size(); ++r)
            rows[r] = rows[r] && find(e.one, names.at(r)).hasMatch();
    }
    return rows;
}

// --- Natural order ---

namespace {
bool isDigit(QChar c) {
    return c >= QLatin1Char('0') && c <= QLatin1Char('9');
}

/// The run of digits at `i` without leading zeros; moves `i` past it.
QStringView digits(QStringView s, qsizetype& i) {
    while (i < s.size() && s[i] == QLatin1Char('0'))
        ++i;
    const qsizetype begin = i;
    while (i < s.size() && isDigit(s[i]))
        ++i;
    return s.mid(begin, i - begin);
}
} // namespace

bool naturalLess(QStringView a, QStringView b) {
    qsizetype i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (isDigit(a[i]) && isDigit(b[j])) {
            const QStringView x = digits(a, i), y = digits(b, j);
            if (x.size() != y.size()) return x.size() < y.size();
            const int order = x.compare(y);
            if (order != 0) return order < 0;
            continue;
        }
        if (a[i] != b[j]) return a[i] < b[j];
        ++i;
        ++j;
    }
    return a.size() - i < b.size() - j;
}

} // namespace qs::ui
