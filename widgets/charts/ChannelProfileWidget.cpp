// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/ChannelProfileWidget.h"

#include <QResizeEvent>
#include <QVBoxLayout>

namespace qs::ui {

ChannelProfileWidget::ChannelProfileWidget(QWidget* parent)
    : QWidget(parent)
    , m_weights(new ChannelProfilePane)
    , m_activations(new ChannelProfilePane)
    , m_splitter(new QSplitter(Qt::Horizontal, this)) {
    m_weights->setObjectName(QStringLiteral("weightsProfile"));
    m_activations->setObjectName(QStringLiteral("activationsProfile"));
    m_splitter->addWidget(m_weights);
    m_splitter->addWidget(m_activations);
    m_splitter->setChildrenCollapsible(false);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_splitter);
    link(m_weights, m_activations);
    link(m_activations, m_weights);
}

void ChannelProfileWidget::link(ChannelProfilePane* from, ChannelProfilePane* to) {
    const auto same = [from, to] {
        return from->data() && to->data() && from->data()->channels() == to->data()->channels();
    };
    connect(from, &ChannelProfilePane::rangeChanged, to, [=](double lo, double hi) {
        if (same()) to->setRange(lo, hi);
    });
    connect(from, &ChannelProfilePane::channelHovered, to, [=](int channel) {
        if (same() || channel < 0) to->setHoverChannel(channel);
    });
    connect(from, &ChannelProfilePane::channelSelected, this, [=, this](int channel) {
        if (same()) to->setSelectedChannel(channel);
        emit channelSelected(channel);
    });
    connect(from, &ChannelProfilePane::listShown, to, [=](bool shown) {
        if (same()) to->setListShown(shown);
    });
}

void ChannelProfileWidget::setData(ChannelProfileDataPtr weights, ChannelProfileDataPtr activations) {
    m_weights->setData(std::move(weights));
    m_activations->setData(std::move(activations));
}

void ChannelProfileWidget::setOrder(ChannelOrder order) {
    m_order = order;
    m_weights->setOrder(order);
    m_activations->setOrder(order);
}

void ChannelProfileWidget::setSeries(const QVector<ChannelSeries>& series) {
    m_weights->setSeries(series);
    m_activations->setSeries(series);
}

void ChannelProfileWidget::setSelectedChannel(int channel) {
    m_weights->setSelectedChannel(channel);
    m_activations->setSelectedChannel(channel);
}

void ChannelProfileWidget::resetZoom() {
    for (ChannelProfilePane* pane : {m_weights, m_activations})
        if (pane->data()) pane->setRange(0, pane->data()->channels());
}

void ChannelProfileWidget::resizeEvent(QResizeEvent* event) {
    const Qt::Orientation wanted =
        event->size().width() < 900 && event->size().height() >= 260 ? Qt::Vertical : Qt::Horizontal;
    if (m_splitter->orientation() != wanted) {
        m_splitter->setOrientation(wanted);
        m_splitter->setSizes({1000, 1000});
    }
    QWidget::resizeEvent(event);
}

void ChannelProfileWidget::renderTo(QPainter& painter, const QSize& size) const {
    const bool beside = m_splitter->orientation() == Qt::Horizontal;
    const QSize half =
        beside ? QSize(size.width() / 2, size.height()) : QSize(size.width(), size.height() / 2);
    m_weights->renderTo(painter, half);
    painter.save();
    painter.translate(beside ? half.width() : 0, beside ? 0 : half.height());
    m_activations->renderTo(painter, half);
    painter.restore();
}

QString ChannelProfileWidget::toCsv() const {
    QString csv = QStringLiteral("side,channel,absmax");
    for (const ChannelSeries s : kChannelSeries)
        csv += QLatin1Char(',') + QLatin1String(channelSeriesInfo(s).id);
    csv += QLatin1Char('\n');
    for (const auto& [name, pane] :
         {std::pair("weights", m_weights), std::pair("activations", m_activations)}) {
        const ChannelProfileDataPtr d = pane->data();
        for (int c = 0; d && c < d->channels(); ++c) {
            csv += QLatin1String(name) + QLatin1Char(',') + QString::number(c) + QLatin1Char(',') +
                   csvNumber(double(d->absmax[c]));
            for (const ChannelSeries s : kChannelSeries)
                csv += QLatin1Char(',') +
                       (d->values(s).isEmpty() ? QString() : csvNumber(double(d->values(s)[c])));
            csv += QLatin1Char('\n');
        }
    }
    return csv;
}

} // namespace qs::ui
