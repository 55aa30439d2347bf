// SPDX-License-Identifier: GPL-3.0-or-later
// Delegates that paint inside table cells: bits as pips, a share as a bar beside its number, a job's
// progress.
#pragma once

#include <QStyledItemDelegate>

namespace qs::ui {

/// 8 bars of 5 x 11 px, gap 2, filled = nominal bits (half bits fill half a bar; more than 8 fills all and
/// appends "16"). Reads a number from `role`; an invalid or negative value paints nothing.
class BitsPipsDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    explicit BitsPipsDelegate(QObject* parent = nullptr, int role = Qt::DisplayRole);
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QString displayText(const QVariant& value, const QLocale& locale) const override;

    /// The pips alone, vertically centred in `rect`, starting at its left edge.
    static void paintPips(QPainter& painter, const QRectF& rect, double bits);
    static constexpr int kWidth = 8 * 5 + 7 * 2;

private:
    int m_role;
};

/// DisplayRole text right-aligned in a fixed part, then a bar whose length is `shareRole` in [0, 1].
class ShareBarDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    ShareBarDelegate(int shareRole, bool predicted, QObject* parent = nullptr);
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;

private:
    int m_shareRole;
    bool m_predicted;
};

/// The Jobs table: a bar and its text. The states are those of a job as the user sees it.
class ProgressDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    enum State { Waiting, Running, Paused, Done, Cancelled, Failed };
    Q_ENUM(State)
    /// `fractionRole`: double in [0, 1], or negative while the amount of work is unknown. `stateRole`: int of
    /// State. The text comes from DisplayRole ("38 of 112, 1 min left").
    ProgressDelegate(int fractionRole, int stateRole, QObject* parent = nullptr);
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;

private:
    int m_fractionRole, m_stateRole;
};

} // namespace qs::ui
