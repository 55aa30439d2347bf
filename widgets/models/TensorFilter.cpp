// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/TensorFilter.h"

namespace qs::ui {

TensorFilter::TensorFilter(const QString& text, bool regex) {
    const QString trimmed = text.trimmed();
    m_empty = trimmed.isEmpty();
    if (m_empty) return;
    if (!regex) {
        for (const QString& word : trimmed.toLower().split(QLatin1Char(' '), Qt::SkipEmptyParts))
            addWord(word);
        return;
    }
    QRegularExpression expression(trimmed, QRegularExpression::CaseInsensitiveOption);
    if (!expression.isValid()) {
        m_error =
            QStringLiteral("%1 (at %2)").arg(expression.errorString()).arg(expression.patternErrorOffset());
        return;
    }
    expression.optimize();
    m_patterns.push_back(expression);
}

void TensorFilter::addWord(const QString& word) {
    static const QRegularExpression range(QStringLiteral("^(\\d{1,6})\\.\\.(\\d{1,6})$"));
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
            pattern += QRegularExpression::escape(QString(c));
    }
    QRegularExpression expression(pattern);
    expression.optimize();
    m_patterns.push_back(expression);
}

namespace {

bool inOrder(const QStringList& parts, QStringView name) {
    qsizetype from = 0;
    for (const QString& part : parts) {
        const qsizetype at = name.indexOf(part, from);
        if (at < 0) return false;
        from = at + part.size();
    }
    return true;
}

bool found(const QRegularExpression& pattern, QStringView name) {
#if QT_VERSION >= QT_VERSION_CHECK(6, 5, 0)
    return pattern.matchView(name).hasMatch();
#else
    return pattern.match(name).hasMatch();
#endif
}

} // namespace

bool TensorFilter::matches(QStringView lowerName, int block) const {
    if (m_empty) return true;
    if (!m_error.isEmpty()) return false;
    for (const auto& [first, last] : m_blocks)
        if (block < first || block > last) return false;
    for (const QStringList& word : m_words)
        if (!inOrder(word, lowerName)) return false;
    for (const QRegularExpression& pattern : m_patterns)
        if (!found(pattern, lowerName)) return false;
    return true;
}

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
