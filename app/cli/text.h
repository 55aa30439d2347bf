// SPDX-License-Identifier: Apache-2.0
// How numbers and tables are written for people: human units, aligned columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qs::cli {

/// "812 B", "7.52 MiB".
std::string humanBytes(uint64_t bytes);
/// "812", "1.90 M", "6.74 B": how parameter counts are usually quoted.
std::string humanCount(uint64_t count);
/// "12 s", "3 min 05 s", "2 h 07 min".
std::string humanSeconds(double seconds);
/// Four significant digits, "-" for NaN.
std::string number(double value);
/// "[4096, 11008]".
std::string shapeText(const std::vector<uint64_t>& shape);

/// Rows of cells under a header. Columns that hold numbers are right-aligned.
class Table {
public:
    struct Column {
        std::string title;
        bool right = false;
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    /// One cell per column.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    bool empty() const { return rows_.empty(); }
    std::string text() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// "Name   value" lines with the values aligned.
class Fields {
public:
    void add(std::string name, std::string value) { rows_.emplace_back(std::move(name), std::move(value)); }
    std::string text() const;

private:
    std::vector<std::pair<std::string, std::string>> rows_;
};

} // namespace qs::cli
