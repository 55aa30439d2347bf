// SPDX-License-Identifier: GPL-3.0-or-later
// ChannelProfileWidget: weights and activations of one tensor per channel, side by side (stacked below 900
// px), with linked zoom, pointer, selected channel and its list of values. Zoom is linked while both sides
// have the same number of channels.
#pragma once

#include "widgets/charts/ChannelProfilePane.h"

#include <QSplitter>

namespace qs::ui {

class ChannelProfileWidget : public QWidget, public Picture {
    Q_OBJECT
public:
    explicit ChannelProfileWidget(QWidget* parent = nullptr);

    /// Either side may be null (nothing selected) or have no channels (its emptyText is shown).
    void setData(ChannelProfileDataPtr weights, ChannelProfileDataPtr activations);
    void setOrder(ChannelOrder order);
    ChannelOrder order() const { return m_order; }
    void setSeries(const QVector<ChannelSeries>& series);
    /// -1 for none. Does not emit.
    void setSelectedChannel(int channel);
    void resetZoom();

    ChannelProfilePane* weightsPane() const { return m_weights; }
    ChannelProfilePane* activationsPane() const { return m_activations; }

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override; ///< both sides, one row per channel and side
    QString pictureName() const override { return tr("Channel profile"); }
    QSize sizeHint() const override { return {960, 260}; }

signals:
    void channelSelected(int channel);

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void link(ChannelProfilePane* from, ChannelProfilePane* to);

    ChannelProfilePane* m_weights;
    ChannelProfilePane* m_activations;
    QSplitter* m_splitter;
    ChannelOrder m_order = ChannelOrder::Natural;
};

} // namespace qs::ui
