// SPDX-License-Identifier: GPL-3.0-or-later
// Outlier channels of one tensor's input side: activations when calibrated, weights always.
#pragma once

#include "core/metrics/channel_stats.h"

#include <QAbstractTableModel>
#include <vector>

namespace qs::ui {

struct OutlierRow {
    int channel = 0;
    double maxX = 0,
           ratioX =
               0; ///< absmax of the channel's activations, and that over the median channel; NaN uncalibrated
    double maxW = 0, ratioW = 0; ///< the same of the weights' column; NaN when not scanned
    double energy = 0;           ///< share of the site's second moment, percent; NaN uncalibrated
    double score = 0;            ///< absmax / limit of the rule, >= 1
};

/// Channels at or above the rule's limit, by activations when `activations` is given, else by weights. Either
/// may be null; both must have the same number of channels. Highest score first.
std::vector<OutlierRow> outlierRows(const ChannelStats* activations, const ChannelStats* weights,
                                    OutlierRule rule, double threshold);

class OutlierTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Channel, MaxX, RatioX, MaxW, RatioW, Energy, ColumnCount };
    enum Roles { ChannelRole = Qt::UserRole + 1, ValueRole };

    using QAbstractTableModel::QAbstractTableModel;
    void setRows(std::vector<OutlierRow> rows);
    const std::vector<OutlierRow>& rows() const { return m_rows; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    void sort(int column, Qt::SortOrder order = Qt::AscendingOrder) override;

private:
    std::vector<OutlierRow> m_rows;
};

} // namespace qs::ui
