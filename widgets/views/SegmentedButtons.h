// SPDX-License-Identifier: GPL-3.0-or-later
// SegmentedButtons: a row of joined buttons; one is on (Inspect | Tune | Run), or any of them when not
// exclusive. Keys: Tab to the row, Left and Right between segments, Space toggles.
#pragma once

#include <QAbstractButton>
#include <QVector>
#include <QWidget>

class QButtonGroup;
class QHBoxLayout;

namespace qs::ui {

class SegmentedButtons : public QWidget {
    Q_OBJECT
public:
    explicit SegmentedButtons(const QStringList& texts = {}, QWidget* parent = nullptr);

    int addSegment(const QString& text, const QString& toolTip = {});
    int count() const { return int(m_segments.size()); }
    void setExclusive(bool exclusive);
    /// -1 when none is on. The setter emits when the index changes.
    int currentIndex() const;
    void setCurrentIndex(int index);
    bool isSegmentChecked(int index) const;
    void setSegmentChecked(int index, bool on);
    void setSegmentEnabled(int index, bool enabled, const QString& reason = {});
    QAbstractButton* segment(int index) const { return m_segments.value(index); }
    int indexOf(const QAbstractButton* segment) const;

signals:
    void currentChanged(int index);          ///< exclusive rows
    void segmentToggled(int index, bool on); ///< every change

private:
    QHBoxLayout* m_layout;
    QButtonGroup* m_group;
    QVector<QAbstractButton*> m_segments;
};

} // namespace qs::ui
