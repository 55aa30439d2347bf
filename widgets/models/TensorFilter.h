// SPDX-License-Identifier: GPL-3.0-or-later
// The filter line of the tensor table and the model tree, compiled once and then asked per row.
#pragma once

#include <QRegularExpression>
#include <QString>
#include <QStringList>
#include <QVector>
#include <functional>
#include <vector>

namespace qs::ui {

/// The names of many rows as one lower-case text, one name a line: a search runs over all of them in one go.
class NameIndex {
public:
    void clear();
    /// Line ends inside a name become spaces.
    void append(const QString& name);
    size_t size() const { return m_ends.size(); }
    QStringView at(size_t row) const;
    /// Every name, each followed by a line end.
    const QString& text() const { return m_text; }
    /// One past the line end of a row.
    qsizetype endOf(size_t row) const { return m_ends[row]; }

private:
    QString m_text;
    std::vector<qsizetype> m_ends;
};

/// Plain text: words set apart by spaces, all of which must match; a word is a part of the name, a pattern
/// with `*` and `?`, or a range of blocks "1..3". Case does not matter. With `regex`: one Perl-compatible
/// expression over the name.
class TensorFilter {
public:
    TensorFilter() = default;
    TensorFilter(const QString& text, bool regex);

    bool isEmpty() const { return m_empty; }
    /// Why the expression cannot be read, "" when it can. An unreadable one matches nothing.
    const QString& error() const { return m_error; }
    /// `lowerName` must be lower case already; `block` is -1 outside of blocks.
    bool matches(QStringView lowerName, int block) const;
    /// The same for every name at once, many times faster: 1 for each row that matches, else 0. `blockOf` is
    /// only asked when the filter names blocks.
    std::vector<char> matching(const NameIndex& names, const std::function<int(size_t row)>& blockOf) const;

private:
    struct Expression {
        QRegularExpression one; ///< over a single name
        QRegularExpression all; ///< over the text of a NameIndex; without a pattern when that is not the same
    };
    void addWord(const QString& word);
    void addExpression(const QString& pattern);
    bool blockMatches(int block) const;

    bool m_empty = true;
    QString m_error;
    QVector<QStringList> m_words; ///< the literal parts of a word, to be found one after the other
    QVector<Expression> m_expressions;
    QVector<QPair<int, int>> m_blocks;
};

/// Orders "layers.2" before "layers.10". Runs of digits compare as numbers, everything else by code point.
bool naturalLess(QStringView a, QStringView b);

} // namespace qs::ui
