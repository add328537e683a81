"""TFLite files of networks: conversion, verification, and measuring their latency."""
