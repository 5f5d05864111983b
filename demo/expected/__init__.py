"""What has to be in Salesforce and M3, worked out from Brightpearl's records in plain Python.

The flow files say the same in SQL. Nothing here comes from the package, neither code nor lookup files, since
a check cannot find a mistake that it shares. A change of a flow file is a change of this folder too.
"""
