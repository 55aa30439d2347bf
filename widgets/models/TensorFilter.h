// SPDX-License-Identifier: GPL-3.0-or-later
// The filter line of the tensor table and the model tree, compiled once and then asked per row.
#pragma once

#include <QRegularExpression>
#include <QString>
#include <QStringList>
#include <QVector>

namespace qs::ui {

/// Plain text: words set apart by spaces, all of which must match; a word is a part of the name, a pattern
/// with `*` and
/// `?`, or a range of blocks "1..3". Case does not matter. With `regex`: one Perl-compatible expression over
/// the name.
class TensorFilter {
public:
    TensorFilter() = default;
    TensorFilter(const QString& text, bool regex);

    bool isEmpty() const { return m_empty; }
    /// Why the expression cannot be read, "" when it can. An unreadable one matches nothing.
    const QString& error() const { return m_error; }
    /// `lowerName` must be lower case already; `block` is -1 outside of blocks.
    bool matches(QStringView lowerName, int block) const;
    /// False when matches() does not look at the block.
    bool usesBlock() const { return !m_blocks.isEmpty(); }

private:
    void addWord(const QString& word);

    bool m_empty = true;
    QString m_error;
    QVector<QStringList> m_words; ///< the literal parts of a word, to be found one after the other
    QVector<QRegularExpression> m_patterns;
    QVector<QPair<int, int>> m_blocks;
};

/// Orders "layers.2" before "layers.10". Runs of digits compare as numbers, everything else by code point.
bool naturalLess(QStringView a, QStringView b);

} // namespace qs::ui
